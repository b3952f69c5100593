"""Accuracy against speed, in one look."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use('Agg')  # A report is made on machines without a display.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from benchmarks.files import write_atomic

_FRONT, _OTHER = '#0b6e8f', '#8a8f98'
# With more rows than this not every label finds a place: the Pareto front and the first row have theirs, others where
# they cover nothing.
MOST_LABELLED = 16


def pareto_front(latency_ms: Sequence[float], dice: Sequence[float]) -> np.ndarray:
    """Indices of the points that no other beats in both latency and Dice, by rising latency.

    A point is beaten by one that is at least as fast and at least as accurate, and better in one of the two.
    """
    latency_ms, dice = np.asarray(latency_ms, float), np.asarray(dice, float)
    front = [
        i
        for i in range(len(dice))
        if not (
            (latency_ms <= latency_ms[i]) & (dice >= dice[i]) & ((latency_ms < latency_ms[i]) | (dice > dice[i]))
        ).any()
    ]
    return np.array(sorted(front, key=lambda i: (latency_ms[i], i)), int)


def accuracy_speed(table: pd.DataFrame, path: Path, title: str, caption: str) -> Path | None:
    """Draw Dice (95 % interval) over median latency (log), rows labelled, with the Pareto front. 1200 px wide.

    Args:
        table: The stack table.
        path: PNG file to write.
        title: Title of the figure.
        caption: One line below the axes: what the figure rests on.

    Returns:
        The path, or None when no stack has both a Dice and a latency; an older figure is removed then.
    """
    points = table[table['dice'].notna() & table['latency_ms_p50'].notna()].reset_index(drop=True)
    if points.empty:
        Path(path).unlink(missing_ok=True)
        return None
    with sns.axes_style('whitegrid', rc={'grid.color': '#e6e8eb', 'axes.edgecolor': '#b8bcc4'}):
        figure, axes = plt.subplots(figsize=(8, 5.4), dpi=150)
    try:
        front = pareto_front(points['latency_ms_p50'], points['dice'])
        _draw_points(axes, points, front)
        _scale_axes(axes, points)
        axes.set_title(title, loc='left', fontsize=13, fontweight='bold', pad=26)  # the legend stands between
        figure.text(0.012, 0.012, caption, fontsize=8, color='#5c626b')
        # Outside the axes: an error bar may reach any corner.
        axes.legend(loc='lower right', bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9, borderaxespad=0.2)
        sns.despine(ax=axes)
        figure.tight_layout(rect=(0, 0.03, 1, 1))
        _place_labels(axes, points, front)
        content = io.BytesIO()
        # Without the version of the drawing library: same records, same bytes.
        figure.savefig(content, format='png', metadata={'Software': None})
    finally:
        plt.close(figure)
    return write_atomic(path, content.getvalue())


def _draw_points(axes: Axes, points: pd.DataFrame, front: np.ndarray) -> None:
    x, y = points['latency_ms_p50'], points['dice']
    on_front = points.index.isin(front)
    # An interval that is undefined (one image group) is drawn as none.
    errors = np.nan_to_num(np.stack([y - points['dice_low'], points['dice_high'] - y]))
    size = 8 if len(points) <= MOST_LABELLED else 4
    for mask, colour, name in (
        (on_front, _FRONT, 'Pareto front of the means'),
        (~on_front, _OTHER, 'beaten by another mean'),
    ):
        if mask.any():
            axes.errorbar(
                x[mask],
                y[mask],
                yerr=errors[:, mask],
                fmt='o',
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


def _scale_axes(axes: Axes, points: pd.DataFrame) -> None:
    x = points['latency_ms_p50']
    axes.set_xscale('log')
    # Room left and right for the labels, and never less than a factor two in all.
    pad = max((x.max() / x.min()) ** 0.14, 1.25)
    axes.set_xlim(x.min() / pad**1.15, x.max() * pad**1.7)
    subs = (1, 2, 5) if x.max() / x.min() * pad**2.85 > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = points['dice_low'].fillna(points['dice']).min(), points['dice_high'].fillna(points['dice']).max()
    margin = max(0.08 * (high - low), 0.5)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel('latency per image, median, ms (log scale); left is faster')
    axes.set_ylabel('Dice, %, with 95 % interval')


def _place_labels(axes: Axes, points: pd.DataFrame, front: np.ndarray) -> None:
    """Put each label where it overlaps least with points, intervals, axes and the labels placed before.

    Where there are too many, those that may be spared and find no free place are left out.
    """
    crowded = len(points) > MOST_LABELLED
    figure = axes.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    centres = axes.transData.transform(points[['latency_ms_p50', 'dice']].to_numpy(float))
    taken = [Bbox.from_extents(x - 12, y - 12, x + 12, y + 12) for x, y in centres]
    lows = points['dice_low'].fillna(points['dice'])
    highs = points['dice_high'].fillna(points['dice'])
    for (x, _), latency, low, high in zip(centres, points['latency_ms_p50'], lows, highs):
        bottom, top = axes.transData.transform([(latency, low), (latency, high)])[:, 1]
        taken.append(Bbox.from_extents(x - 9, bottom, x + 9, top))
    taken.append(axes.get_legend().get_window_extent(renderer))
    taken += _line_boxes(centres[front])
    needed = {0, *front}
    for index in sorted(range(len(points)), key=lambda i: (crowded and i not in needed, centres[i, 0])):
        colour = _FRONT if index in front else '#4d525a'
        label = axes.annotate(
            _label(points.loc[index]),
            points.loc[index, ['latency_ms_p50', 'dice']],
            xytext=(0, 0),
            textcoords='offset points',
            fontsize=8 if crowded else 10,
            color=colour,
            zorder=5,
            bbox=dict(boxstyle='round,pad=0.15', facecolor='white', edgecolor='none', alpha=0.75),
        )
        place = _best_place(label, axes, renderer, taken, spare=crowded and index not in needed)
        if place is not None:
            taken.append(place)


def _label(point: pd.Series) -> str:
    # A mean over the seeds that survived must not pass for one over all.
    return point['label'] if point['status'] == 'ok' else f'{point["label"]} (only {point["n_seeds"]} of its seeds ok)'


def _line_boxes(corners: np.ndarray) -> list[Bbox]:
    """Small boxes along the line through ``corners`` (pixels), for labels to keep clear of."""
    steps = [np.linspace(a, b, max(int(np.hypot(*(b - a)) / 8), 2)) for a, b in zip(corners, corners[1:])]
    return [Bbox.from_extents(x - 4, y - 4, x + 4, y + 4) for x, y in np.concatenate(steps)] if steps else []


def _best_place(label, axes: Axes, renderer, taken: list[Bbox], *, spare: bool) -> Bbox | None:
    """Place a label; with ``spare`` it is removed (None) where it would cover something everywhere."""
    best = None
    for rank, (dx, dy, align) in enumerate(_offsets()):
        label.set_position((dx, dy))
        label.set_horizontalalignment(align)
        box = label.get_window_extent(renderer)
        outside = box.width * box.height - _overlap(box, axes.bbox)
        # Far places cost a little, so that a label stays near its point when it can.
        cost = sum(_overlap(box, other) for other in taken) + 3 * outside + 8 * rank
        if best is None or cost < best[0]:
            best = (cost, dx, dy, align, box)
            free = cost == 8 * rank
    if spare and not free:
        label.remove()
        return None
    label.set_position(best[1:3])
    label.set_horizontalalignment(best[3])
    if abs(best[2]) > 20:
        axes.annotate(
            '',
            label.xy,
            xytext=best[1:3],
            textcoords='offset points',
            zorder=4,
            arrowprops=dict(arrowstyle='-', color='#b8bcc4', linewidth=0.8),
        )
    return best[4]


def _offsets() -> list[tuple[float, float, str]]:
    """Candidate places in points, near ones first: right and left of the point, level with it or above or below."""
    return [
        (side * 10, dy, 'left' if side > 0 else 'right')
        for step in (0, 12, 24, 38, 52, 66, 80)
        for dy in dict.fromkeys((step - 3, -step - 3))
        for side in (1, -1)
    ]


def _overlap(a: Bbox, b: Bbox) -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0) * max(height, 0)
