"""The labels of the figure of accuracy against speed: which points get one, and where it covers least."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

FRONT = '#0b6e8f'  # the colour of the Pareto front
# With more rows than this there is no place for every label. The Pareto front and the first row are always labelled,
# other rows only where their label covers nothing.
MOST_LABELLED = 16
# With more rows than this a place is sought for the labels of so many only: nobody can read more, and the search for a
# place looks at all points.
MOST_TRIED = 80


def place_labels(axes: Axes, points: pd.DataFrame, front: np.ndarray, better: pd.Series) -> None:
    """Put each label where it overlaps least with points, intervals, axes and the labels before it.

    With more than ``MOST_LABELLED`` rows a label may be left out, unless its row is the first or on the Pareto front.
    With more than ``MOST_TRIED`` rows those are tried that :func:`labels_tried` names.
    """
    crowded = len(points) > MOST_LABELLED
    axes.figure.canvas.draw()
    taken = np.array([box.extents for box in _taken_boxes(axes, points, front)])
    centres = _centres(axes, points)
    needed = {0, *front}
    tried = labels_tried(points['latency_ms_p50'], better, front)
    for index in sorted(tried, key=lambda i: (crowded and i not in needed, centres[i, 0])):
        label = axes.annotate(
            _label(points.loc[index]),
            points.loc[index, ['latency_ms_p50', 'score']],
            xytext=(0, 0),
            textcoords='offset points',
            fontsize=8 if crowded else 10,
            color=FRONT if index in front else '#4d525a',
            zorder=5,
            bbox=dict(boxstyle='round,pad=0.15', facecolor='white', edgecolor='none', alpha=0.75),
        )
        place = _best_place(label, axes, taken)
        if place.free or not crowded or index in needed:
            _put(label, place, axes)
            taken = np.vstack([taken, place.box.extents])
        else:
            label.remove()


def labels_tried(latency_ms: Sequence[float], dice: Sequence[float], front: np.ndarray) -> list[int]:
    """The points, in their order, for whose labels a place is sought: all, or ``MOST_TRIED`` if there are more.

    These are the first point, those on the front, and then those nearest below it: by how much the best point of the
    front that is no slower exceeds their score.

    Args:
        latency_ms: Latencies, (N,).
        dice: Scores, (N,); more is better.
        front: Indices of the points on the front, by rising latency.
    """
    x, y = np.asarray(latency_ms, float), np.asarray(dice, float)
    # A point may be faster than the front only within noise; its fastest point is then the one to compare with.
    at = np.maximum(np.searchsorted(x[front], x, side='right') - 1, 0)
    below = np.maximum.accumulate(y[front])[at] - y
    below[front] = -np.inf
    below[0] = -np.inf
    return sorted(np.argsort(below, kind='stable')[:MOST_TRIED].tolist())


def label_note(points: pd.DataFrame) -> str:
    """What the caption says if no place was sought for some labels; nothing otherwise."""
    if len(points) <= MOST_TRIED:
        return ''
    return (
        f' Of {len(points)} rows {MOST_TRIED} can have a label: the first, those on the front, those nearest below it.'
    )


def _centres(axes: Axes, points: pd.DataFrame) -> np.ndarray:
    """The points in pixels of the figure, (N, 2)."""
    return axes.transData.transform(points[['latency_ms_p50', 'score']].to_numpy(float))


def _taken_boxes(axes: Axes, points: pd.DataFrame, front: np.ndarray) -> list[Bbox]:
    """What labels must not cover: points, intervals, the legend, and the line of the Pareto front; pixels."""
    centres = _centres(axes, points)
    boxes = [Bbox.from_extents(x - 12, y - 12, x + 12, y + 12) for x, y in centres]
    lows = points['score_low'].fillna(points['score'])
    highs = points['score_high'].fillna(points['score'])
    widths = np.minimum(points['noise_ms'], 0.99 * points['latency_ms_p50'])  # the axis is logarithmic
    for (x, y), latency, low, high, width in zip(centres, points['latency_ms_p50'], lows, highs, widths):
        bottom, top = axes.transData.transform([(latency, low), (latency, high)])[:, 1]
        boxes.append(Bbox.from_extents(x - 9, bottom, x + 9, top))
        if width:
            left, right = axes.transData.transform([(latency - width, low), (latency + width, low)])[:, 0]
            boxes.append(Bbox.from_extents(left, y - 9, right, y + 9))
    legend = axes.get_legend()
    if legend is not None:
        boxes.append(legend.get_window_extent())
    return boxes + _line_boxes(centres[front])


def _label(point: pd.Series) -> str:
    # A mean over the successful seeds must not pass for a mean over all seeds.
    return point['label'] if point['status'] == 'ok' else f'{point["label"]} (only {point["n_seeds"]} of its seeds ok)'


def _line_boxes(corners: np.ndarray) -> list[Bbox]:
    """Small boxes along the line through ``corners`` (pixels), for labels to keep clear of."""
    steps = [np.linspace(a, b, max(int(np.hypot(*(b - a)) / 8), 2)) for a, b in zip(corners, corners[1:])]
    return [Bbox.from_extents(x - 4, y - 4, x + 4, y + 4) for x, y in np.concatenate(steps)] if steps else []


class _Place(NamedTuple):
    """A place for a label.

    Attributes:
        cost: The lower, the better.
        offset: From the label's point, in points of the page.
        align: Horizontal alignment of the text.
        box: The label's box there, in pixels.
        free: Whether the label covers nothing there.
    """

    cost: float
    offset: tuple[float, float]
    align: Literal['left', 'right']
    box: Bbox
    free: bool


def _best_place(label: Annotation, axes: Axes, taken: np.ndarray) -> _Place:
    """The first of the cheapest places for a label."""
    places = []
    for rank, (dx, dy, align) in enumerate(_offsets()):
        label.set_position((dx, dy))
        label.set_horizontalalignment(align)
        box = label.get_window_extent()
        outside = box.width * box.height - _overlap(box, np.array([axes.bbox.extents]))
        covered = _overlap(box, taken) + 3 * outside
        # Far places cost a little, so that a label stays near its point when it can.
        cost = covered + 8 * rank
        places.append(_Place(cost, (dx, dy), align, box, cost == 8 * rank))
    return min(places, key=lambda place: place.cost)


def _put(label: Annotation, place: _Place, axes: Axes) -> None:
    """Move a label to its place, with a line to its point if that is far."""
    label.set_position(place.offset)
    label.set_horizontalalignment(place.align)
    if abs(place.offset[1]) > 20:
        axes.annotate(
            '',
            label.xy,
            xytext=place.offset,
            textcoords='offset points',
            zorder=4,
            arrowprops=dict(arrowstyle='-', color='#b8bcc4', linewidth=0.8),
        )


def _offsets() -> list[tuple[float, float, Literal['left', 'right']]]:
    """Candidate places in points, near ones first: right and left of the point, level with it or above or below."""
    return [
        (side * 10, dy, 'left' if side > 0 else 'right')
        for step in (0, 12, 24, 38, 52, 66, 80)
        for dy in dict.fromkeys((step - 3, -step - 3))
        for side in (1, -1)
    ]


def _overlap(box: Bbox, others: np.ndarray) -> float:
    """The areas that a box shares with others, (N, 4) of left, bottom, right and top, in all."""
    width = np.minimum(box.x1, others[:, 2]) - np.maximum(box.x0, others[:, 0])
    height = np.minimum(box.y1, others[:, 3]) - np.maximum(box.y0, others[:, 1])
    areas = np.maximum(width, 0) * np.maximum(height, 0)
    return sum(areas[areas > 0].tolist())
