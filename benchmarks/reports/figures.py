"""The figure of accuracy against speed: a score over latency, with the Pareto front."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib

matplotlib.use('Agg')  # a report is often made on a machine without a display

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from benchmarks.analysis.metrics import DICE, Metric
from benchmarks.analysis.pareto import on_front
from benchmarks.files import write_atomic
from benchmarks.record import BASELINE
from benchmarks.reports.phrases import busy_while

_FRONT, _EQUAL, _OTHER, _BAND = '#0b6e8f', '#7fb2c4', '#8a8f98', '#eceef1'
# With more rows than this there is no place for every label. The Pareto front and the first row are always labelled,
# other rows only where their label covers nothing.
MOST_LABELLED = 16
# With more rows than this a place is sought for the labels of so many only: nobody can read more, and the search for a
# place looks at all points.
MOST_TRIED = 80


class _Style(NamedTuple):
    """How the figure is drawn.

    Attributes:
        size: Width and height, inches.
        title: Size of the title, points; other sizes follow those of the axes.
        small: Size of the caption and, one more, of the legend.
        caption: Characters of a line below the axes.
        markers: Of points on the front, equal to one within noise, and beaten.
    """

    size: tuple[float, float]
    title: float
    small: float
    caption: int
    markers: str


MOST_OF_TITLE = 60  # characters of a line, in both sizes
_SCREEN = _Style((8, 5.4), title=13, small=8, caption=115, markers='ooo')
# The width of a page of text, 170 mm. Markers tell the three kinds apart in grey, too.
_PRINT = _Style((6.7, 4.6), title=11, small=7, caption=110, markers='osD')


def pareto_front(
    latency_ms: Sequence[float], dice: Sequence[float], noise: Sequence[float] | None = None
) -> np.ndarray:
    """Indices of the points on the Pareto front, by rising latency.

    Two latencies are equal if they differ by less than the larger noise of the two, relative to the larger latency:
    such rows share a place. Another point beats a point if it is at least as fast and at least as accurate, and better
    in one of the two. The front is built from the most accurate point down, the faster one of equals first: a point
    joins it unless a point of the front beats it. Without noise these are the points that no other point beats.

    Args:
        latency_ms: Latencies, (N,).
        dice: Scores, (N,).
        noise: The relative noise of each latency, (N,); NaN, or None for all, where none was recorded, which counts
            as 0.

    Example:
        >>> pareto_front([10.0, 20.0, 30.0], [80.0, 79.0, 85.0]).tolist()
        [0, 2]
    """
    x, y = np.asarray(latency_ms, float), np.asarray(dice, float)
    unsure = np.zeros(len(x)) if noise is None else np.nan_to_num(np.asarray(noise, float))
    front: list[int] = []
    for i in sorted(range(len(y)), key=lambda i: (-y[i], x[i])):
        beats = []
        for j in front:
            equal = x[i] == x[j] or abs(x[i] - x[j]) < max(unsure[i], unsure[j]) * max(x[i], x[j])
            beats.append(y[j] > y[i] and (equal or x[j] < x[i]) or x[j] < x[i] and not equal)
        if not any(beats):
            front.append(i)
    return np.array(sorted(front, key=lambda i: (x[i], i)), int)


def equal_by_noise(latency_ms: Sequence[float], dice: Sequence[float], front: Sequence[int] | np.ndarray) -> np.ndarray:
    """Which points, (N,) bool, only noise keeps off the front: no other point beats them if latencies are exact.

    Args:
        latency_ms: Latencies, (N,).
        dice: Scores, (N,).
        front: Indices of the points on the front, from :func:`pareto_front` with noise.

    Example:
        >>> equal_by_noise([10.0, 10.5], [80.0, 85.0], front=[1]).tolist()
        [True, False]
    """
    exact = on_front(np.asarray(latency_ms, float), np.asarray(dice, float))
    return exact & ~np.isin(np.arange(len(exact)), front)


def accuracy_speed(
    table: pd.DataFrame,
    path: Path,
    title: str,
    caption: str,
    chance: tuple[float, float] | None = None,
    metric: Metric = DICE,
) -> Path | None:
    """Draw a score (95 % interval) over median latency (log), rows labelled, with the Pareto front.

    A PNG is 1200 px wide; an SVG is 170 mm wide, for print. The same table gives the same bytes. Behind the points lies
    the band in which the score of the baseline lies by chance. All points are drawn. Of more than ``MOST_TRIED`` only
    the first, those on the front and those nearest below it can have a label, and the caption says so.

    Args:
        table: The stack table.
        path: The file to write, ``.png`` or ``.svg``.
        title: Title of the figure.
        caption: Below the axes, in as many lines as it needs: the data and the seeds behind the figure.
        chance: From where to where the baseline lies off itself by chance, in the unit of the score; None for
            no band.
        metric: The score; better is up.

    Returns:
        The path; None if no stack that has learned in all seeds has both a score and a latency. An older figure is then
        removed.
    """
    table = table.rename(columns={f'{metric.name}{end}': f'score{end}' for end in ('', '_low', '_high')})
    points = table[table['score'].notna() & table['latency_ms_p50'].notna() & (table['seeds_not_learned'] == 0)]
    if 'role' in points:  # an A/A arm is the baseline again, and a control is worse on purpose
        points = points[points['role'] == '']
    points = points.reset_index(drop=True)
    if points.empty:
        Path(path).unlink(missing_ok=True)
        return None
    with sns.axes_style('whitegrid', rc={'grid.color': '#e6e8eb', 'axes.edgecolor': '#b8bcc4'}):
        style = _PRINT if Path(path).suffix == '.svg' else _SCREEN
        figure, axes = plt.subplots(figsize=style.size, dpi=150)
    try:
        better = -points['score'] if metric.less_is_better else points['score']
        front = pareto_front(points['latency_ms_p50'], better, points.get('latency_noise'))
        points['equal'] = equal_by_noise(points['latency_ms_p50'], better, front)
        points['busy'] = points['machine_busy'].fillna('') != '' if 'machine_busy' in points else False
        _draw_points(axes, points, front, style.markers)
        _scale_axes(axes, points, metric)
        _draw_chance(axes, table, chance)
        heading = textwrap.fill(title, MOST_OF_TITLE)
        # The legend stands between the title and the axes.
        axes.set_title(heading, loc='left', fontsize=style.title, fontweight='bold', pad=26)
        lines = textwrap.wrap(f'{caption}{_busy_note(points)}{_label_note(points)}', style.caption)
        figure.text(0.012, 0.012, '\n'.join(lines), fontsize=style.small, color='#5c626b')
        # Outside the axes: an error bar may reach any corner.
        size = style.small + 1
        axes.legend(loc='lower right', bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=size, borderaxespad=0.2)
        sns.despine(ax=axes)
        figure.tight_layout(rect=(0, 0.03 * len(lines), 1, 1))
        _place_labels(axes, points, front, better)
        return write_atomic(path, _rendered(figure, Path(path).suffix))
    finally:
        plt.close(figure)


def _rendered(figure: Figure, suffix: str) -> bytes:
    """A figure as a file, without time, version of the drawing library, or names drawn at random."""
    content = io.BytesIO()
    if suffix == '.svg':
        with plt.rc_context({'svg.hashsalt': 'accuracy_speed', 'svg.fonttype': 'path'}):
            figure.savefig(content, format='svg', metadata={'Date': None, 'Creator': None})
    else:
        figure.savefig(content, format='png', metadata={'Software': None})
    return content.getvalue()


def _draw_points(axes: Axes, points: pd.DataFrame, front: np.ndarray, markers: str) -> None:
    x, y = points['latency_ms_p50'], points['score']
    on_front = points.index.isin(front)
    equal, busy, widths = points['equal'].to_numpy(), points['busy'].to_numpy(), _noise_ms(points)
    # An undefined interval (one image group) is not drawn.
    errors = np.nan_to_num(np.stack([y - points['score_low'], points['score_high'] - y]))
    size = 8 if len(points) <= MOST_LABELLED else 4
    for marker, (mask, colour, name) in zip(
        markers,
        (
            (on_front, _FRONT, 'beaten by no other mean'),
            (equal, _EQUAL, 'as fast as a better one, within noise'),
            (~on_front & ~equal, _OTHER, 'beaten by another mean'),
        ),
    ):
        if mask.any():
            _draw_busy(axes, points[mask & busy], size, colour)
            axes.errorbar(
                x[mask],
                y[mask],
                xerr=widths[mask] if widths[mask].any() else None,
                yerr=errors[:, mask],
                fmt=marker,
                color=colour,
                ecolor=colour,
                markersize=size,
                elinewidth=size / 6,
                capsize=size / 2,
                alpha=0.95,
                label=name,
                zorder=3,
            )
    axes.plot(x[front], y[front], color=_FRONT, linewidth=1.6, linestyle='--', alpha=0.6, zorder=2)


def _draw_chance(axes: Axes, table: pd.DataFrame, chance: tuple[float, float] | None) -> None:
    """The band around the baseline's score, as far as the axes show it."""
    baseline = table[(table['stack'] == BASELINE) & table['score'].notna()] if 'stack' in table else table[:0]
    if chance is None or baseline.empty:
        return
    score, limits = float(baseline['score'].iloc[0]), axes.get_ylim()
    axes.axhspan(score + chance[0], score + chance[1], color=_BAND, linewidth=0, gid='chance', zorder=1)
    axes.axhline(score, color='white', linewidth=1, zorder=1)
    axes.set_ylim(limits)


def _noise_ms(points: pd.DataFrame) -> np.ndarray:
    """The noise of each latency, (N,) ms, where it decides or is that of a busy machine; elsewhere 0, not drawn."""
    noise = points.get('latency_noise', pd.Series(np.nan, points.index)).fillna(0.0)
    return np.where(points['equal'] | points['busy'], noise * points['latency_ms_p50'], 0.0)


def _draw_busy(axes: Axes, points: pd.DataFrame, size: float, colour: str) -> None:
    """A ring around the points of a busy machine."""
    x, y, area = points['latency_ms_p50'], points['score'], (1.9 * size) ** 2
    axes.scatter(x, y, s=area, marker='o', facecolor='none', edgecolor=colour, linewidth=size / 6, zorder=4)


def _scale_axes(axes: Axes, points: pd.DataFrame, metric: Metric) -> None:
    x = points['latency_ms_p50']
    axes.set_xscale('log')
    # Room left and right for the labels, and never less than a factor two in all.
    pad = max((x.max() / x.min()) ** 0.14, 1.25)
    axes.set_xlim(x.min() / pad**1.15, x.max() * pad**1.7)
    subs = (1, 2, 5) if x.max() / x.min() * pad**2.85 > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = points['score_low'].fillna(points['score']).min(), points['score_high'].fillna(points['score']).max()
    margin = max(0.08 * (high - low), 0.5)
    axes.set_ylim(*((high + margin, low - margin) if metric.less_is_better else (low - margin, high + margin)))
    axes.set_xlabel('latency per image, median, ms (log scale); left is faster')
    up = '; up is better' if metric.less_is_better else ''
    axes.set_ylabel(f'{metric.title}, {metric.value_unit}, with 95 % interval{up}')


def _place_labels(axes: Axes, points: pd.DataFrame, front: np.ndarray, better: pd.Series) -> None:
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
            color=_FRONT if index in front else '#4d525a',
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


def _label_note(points: pd.DataFrame) -> str:
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
    widths = np.minimum(_noise_ms(points), 0.99 * points['latency_ms_p50'])  # the axis is logarithmic
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


def _busy_note(points: pd.DataFrame) -> str:
    """What the rings around points say, for the end of the caption; nothing without a ring."""
    busy = int(points['busy'].sum())
    return f' {busy_while(busy, len(points))} (ring).' if busy else ''


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
