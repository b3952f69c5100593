"""How to choose the values of a technique: the section of a report on sweeps, with the best region of each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reports.phrases import NOTHING, percent_points, plain, some_of_rows, table_cell
from benchmarks.reports.sweep_table import Sweep

LIKELY, UNLIKELY = 0.5, 0.05
MOST_ROWS, MOST_NAMED = 15, 6


def sweep_answer(sweeps: Sequence[Sweep]) -> str:
    """The section in Markdown; empty without sweeps."""
    if not sweeps:
        return ''
    closing = (
        'Values were compared on the test images. The best mean is therefore the luckiest of the good points: choose '
        'from the region, by cost or habit, and expect what the region scores. Chances allow for other images and, '
        'with two seeds or more, another training. All points: [sweeps.csv](sweeps.csv).'
    )
    return '\n\n'.join(['### How to choose values', *(_told(sweep) for sweep in sweeps), closing])


def _told(sweep: Sweep) -> str:
    """The region of one sweep in words, and the table of its points."""
    table = sweep.table
    near, out = table[table['p_near_best'] >= LIKELY], table[table['p_near_best'] < UNLIKELY]
    best = table.loc[table['dice'].idxmax()]
    within = f'within {percent_points(sweep.margin)} of the best'
    if len(near) == len(table):
        region = f'each of the {len(table)} points is more likely than not {within}: none of them matters'
    elif near.empty:
        region = f'no point is more likely than not {within}: the seeds do not tell'
    else:
        region = f'{_region(sweep, near)} {"is" if len(near) == 1 else "are"} more likely than not {within}'
    sentences = [f'`{sweep.technique}`: {region}.']
    if len(out):
        sentences.append(
            f'Not as good, with a chance of 95 % or more: {some_of_rows(list(out["settings"]), MOST_NAMED)}.'
        )
    sentences.append(
        f'The best mean has {best["settings"]} ({best["dice"]:.1f} %), which is the best point with a chance of '
        f'{100 * best["p_best"]:.0f} %.'
    )
    return '\n\n'.join([' '.join(sentences), _points(table)])


def _region(sweep: Sweep, near: pd.DataFrame) -> str:
    """The points of the region: the range of each parameter, and how many points."""
    inside = np.flatnonzero(sweep.table.index.isin(near.index))
    ranges = []
    for name, column in sweep.values.items():
        of_region = [column[index] for index in inside]
        low, high = min(of_region), max(of_region)
        ranges.append(f'{name} {low:g}' if low == high else f'{name} {low:g} to {high:g}')
    number = f'{len(near)} of {len(sweep.table)} points'
    return (
        f'{number} ({", ".join(ranges)})'
        if ranges
        else f'{number} ({some_of_rows(list(near["settings"]), MOST_NAMED)})'
    )


def _points(table: pd.DataFrame) -> str:
    """The points of a sweep in the order of the grid, or the likely ones of many."""
    shown = table if len(table) <= MOST_ROWS else table.nlargest(MOST_ROWS, 'p_near_best').sort_index()
    lines = ['| values | Dice, % | surface, % | chance to be near the best |', '|---|---|---|---|']
    for _, row in shown.iterrows():
        surface = NOTHING if pd.isna(row['surface']) else plain(row['surface'])
        lines.append(
            f'| {table_cell(row["settings"])} | {plain(row["dice"])} | {surface} | {100 * row["p_near_best"]:.0f} % |'
        )
    return '\n'.join(lines)
