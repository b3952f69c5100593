"""The looks of a grid whose seeds were spent until its question was decided, in words."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.analysis.families import PRIMARY, pair_of
from benchmarks.reports.interim import OPEN


def looks_text(grid: Mapping, dice: pd.DataFrame) -> str:
    """A paragraph on the looks that were planned and taken, and on what they settled; empty for fixed seeds.

    Args:
        grid: The content of ``grid.json``.
        dice: The comparisons by the metric of the question.
    """
    if 'looks' not in grid:
        return ''
    planned, taken = grid['questions'][-1]['looks']['seeds'], len(grid['looks'])
    primary = {pair_of(row): row['verdict'] for row in dice[dice['family'] == PRIMARY].to_dict('records')}
    left = sum(verdict in ('undecided', OPEN) for verdict in primary.values())
    last = planned[min(taken, len(planned)) - 1]
    return (
        f'**Seeds were spent where a primary comparison was open.** Looks were planned at {planned[0]} to '
        f'{planned[-1]} seeds, and taken up to {last}. Settled: {len(primary) - left} of {len(primary)} primary '
        'comparisons. A comparison shows the seeds of the look that settled it. Its p allows for all looks, and so '
        'does its interval: a repeated confidence interval, longer than that of '
        'a fixed number of seeds (column `interval_level`).'
    )


def looks_conventions(grid: Mapping) -> list[str]:
    """How a sequential design is judged; nothing for a fixed number of seeds."""
    if 'looks' not in grid:
        return []
    asked = grid['questions'][-1]['looks']
    levels = ', '.join(f'{number}: {level:.4f}' for number, level in zip(asked['seeds'], asked['levels']))
    return [
        '**Looks**: by the look at S of S_max seeds, 5 % × (S / S_max)² of the error is spent. Nominal level of a '
        f'single pair by its number of seeds: {levels}. A pair that can get no further seeds has 0.05. Corrected p '
        'values are repeated p values: primary ones by Holm over the looks, exploratory ones by Benjamini and '
        'Hochberg. Equivalence spends an error of 5 % of its own, one-sided, in the same way. Each metric is judged '
        'so; that of the question alone says which rows get seeds. Effects, strata, classes, views and ways of scoring '
        'are judged at the last look, by repeated p values and intervals, too; where they are the difference of a '
        'comparison, they have its interval and its seeds. Not corrected for the looks are the '
        'intervals of single rows, of their confidence (calibration) and of the hypervolume, and the chances of '
        'accuracy against speed and of sweeps: they hold for a number of seeds that no result has a say in.'
    ]
