"""The figure of accuracy against speed: a score over latency, with the Pareto front."""

import io
import textwrap
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use('Agg')  # a report is often made on a machine without a display

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.analysis.metrics import DICE, Metric
from benchmarks.analysis.pareto import equal_by_noise, pareto_front
from benchmarks.files import write_atomic
from benchmarks.record import BASELINE
from benchmarks.reports.phrases import busy_while
from benchmarks.reports.point_labels import FRONT, MOST_LABELLED, label_note, place_labels

_EQUAL, _OTHER, _BAND = '#7fb2c4', '#8a8f98', '#eceef1'


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
    the band in which techniques that do nothing would stand. All points are drawn. Of more than ``MOST_TRIED`` only
    the first, those on the front and those nearest below it can have a label, and the caption says so.

    Args:
        table: The stack table.
        path: The file to write, ``.png`` or ``.svg``.
        title: Title of the figure.
        caption: Below the axes, in as many lines as it needs: the data and the seeds behind the figure.
        chance: From where to where a technique that does nothing would stand, counted from the baseline, in the unit
            of the score; None for no band.
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
        points['noise_ms'] = _noise_ms(points)
        _draw_points(axes, points, front, style.markers)
        _scale_axes(axes, points, metric)
        _draw_chance(axes, table, chance)
        heading = textwrap.fill(title, MOST_OF_TITLE)
        # The legend stands between the title and the axes.
        axes.set_title(heading, loc='left', fontsize=style.title, fontweight='bold', pad=26)
        lines = textwrap.wrap(f'{caption}{_busy_note(points)}{label_note(points)}', style.caption)
        figure.text(0.012, 0.012, '\n'.join(lines), fontsize=style.small, color='#5c626b')
        # Outside the axes: an error bar may reach any corner.
        size = style.small + 1
        axes.legend(loc='lower right', bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=size, borderaxespad=0.2)
        sns.despine(ax=axes)
        figure.tight_layout(rect=(0, 0.03 * len(lines), 1, 1))
        place_labels(axes, points, front, better)
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
    equal, busy, widths = points['equal'].to_numpy(), points['busy'].to_numpy(), points['noise_ms'].to_numpy()
    # An undefined interval (one image group) is not drawn.
    errors = np.nan_to_num(np.stack([y - points['score_low'], points['score_high'] - y]))
    size = 8 if len(points) <= MOST_LABELLED else 4
    for marker, (mask, colour, name) in zip(
        markers,
        (
            (on_front, FRONT, 'beaten by no other mean'),
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
    axes.plot(x[front], y[front], color=FRONT, linewidth=1.6, linestyle='--', alpha=0.6, zorder=2)


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


def _busy_note(points: pd.DataFrame) -> str:
    """What the rings around points say, for the end of the caption; nothing without a ring."""
    busy = int(points['busy'].sum())
    return f' {busy_while(busy, len(points))} (ring).' if busy else ''
