"""How to choose the values of a technique: the section of a report on sweeps, with the best region of each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reports.phrases import NOTHING, percent_points, plain, some_of_rows, table_cell
from benchmarks.reports.sweep_table import Sweep

LIKELY, UNLIKELY = 0.5, 0.05
MOST_ROWS, MOST_NAMED = 15, 6


def sweep_answer(sweeps: Sequence[Sweep], n_images: int | None = None) -> str:
    """The section in Markdown; empty without sweeps.

    Args:
        sweeps: The sweeps.
        n_images: The number of validation images on which points were compared; None where there are none.
    """
    if not sweeps:
        return ''
    closing = []
    if any(sweep.table['chosen'].any() for sweep in sweeps):
        closing.append(
            f'A point that is *chosen* was the best of its sweep on {n_images} validation images, of equal ones the '
            'first. No test image had a part in that, so its score on the test images is what to expect of such a '
            'choice. The regions and chances are of the test images.'
        )
    if not all(sweep.table['chosen'].any() for sweep in sweeps):
        closing.append(
            'Where no point is chosen, **values were compared on the test images**. The best mean is therefore the '
            'luckiest of the good points: choose from the region, by cost or habit, and expect what the region scores; '
            "or give the sweep `choose='validation'`, which chooses on validation images and reports the test."
        )
    closing.append(
        'Chances allow for other images and, with two seeds or more, another training. All points: '
        '[sweeps.csv](sweeps.csv).'
    )
    return '\n\n'.join(['### How to choose values', *(_told(sweep) for sweep in sweeps), ' '.join(closing)])


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
    sentences = [f'`{sweep.technique}`: {_chosen(table)}{region}.']
    if len(out):
        sentences.append(
            f'Not as good, with a chance of 95 % or more: {some_of_rows(list(out["settings"]), MOST_NAMED)}.'
        )
    sentences.append(
        f'The best mean has {best["settings"]} ({best["dice"]:.1f} %), which is the best point with a chance of '
        f'{100 * best["p_best"]:.0f} %.'
    )
    return '\n\n'.join([' '.join(sentences), _points(table)])


def _chosen(table: pd.DataFrame) -> str:
    """The point that was chosen on validation images, and its test score; empty where none was."""
    if not table['chosen'].any():
        return ''
    chosen = table[table['chosen']].iloc[0]
    better = int((table['dice'] > chosen['dice']).sum())
    place = 'the best of all points there, too' if not better else f'{better} of the other points score more there'
    return (
        f'chosen on validation images is **{chosen["settings"]}** ({plain(chosen["validation_dice"])} % there), which '
        f'scores {plain(chosen["dice"])} % on the test images ({place}). On the test images, '
    )


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
    validated = bool(table['validation_dice'].notna().any())
    more = ' validation Dice, % |' if validated else ''
    lines = [
        f'| values | Dice, % | surface, % | chance to be near the best |{more}',
        f'|---|---|---|---|{"---|" * validated}',
    ]
    for _, row in shown.iterrows():
        surface = NOTHING if pd.isna(row['surface']) else plain(row['surface'])
        line = (
            f'| {table_cell(row["settings"])} | {plain(row["dice"])} | {surface} | {100 * row["p_near_best"]:.0f} % |'
        )
        chosen = ' (chosen)' if row['chosen'] else ''
        lines.append(line + (f' {plain(row["validation_dice"])}{chosen} |' if validated else ''))
    return '\n'.join(lines)
