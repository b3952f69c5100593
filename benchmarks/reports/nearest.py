"""The undecided comparison that is nearest to a decision, and how it gets the seeds."""

import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.analysis.families import PRIMARY
from benchmarks.record import seeds_of
from benchmarks.reports.forecast import what_would_decide

UNTIL_DECIDED = '--until-decided'
LAST_LOOK = 10  # seeds, as --until-decided has by itself


def nearest(grid: Mapping[str, Any], undecided: pd.DataFrame) -> pd.Series | None:
    """The comparison that the fewest seeds would decide, or else the fewest test groups; None without a forecast.

    Of equal ones it is the one whose forecast reaches least far up, then a primary one. Where seeds are spent until the
    primary comparisons are decided, no others get seeds, so it is one of them.

    Args:
        grid: The content of ``grid.json``.
        undecided: The undecided comparisons by the metric of the question.
    """
    primary = undecided['family'] == PRIMARY
    forecasts = [bool(what_would_decide(row)) for row in undecided.to_dict('records')]
    known = pd.Series(forecasts, undecided.index, dtype=bool)
    found = undecided[known & (primary if 'looks' in grid else True)]
    if found.empty:
        return None
    seeds = found['seeds_to_decide']
    order = pd.DataFrame(
        dict(
            seeds=seeds,
            at_most=found['seeds_to_decide_high'].where(seeds.notna()),
            groups=found['times_groups_to_decide'],
            exploratory=~primary[found.index],
        )
    )
    return found.loc[order.sort_values(list(order), na_position='last').index[0]]


def next_step(grid: Mapping[str, Any], comparison: pd.Series) -> tuple[str, str]:
    """How a comparison gets the seeds that would decide it: a sentence, and the command or nothing.

    Seeds that are added because a result was seen need looks that allow for it. Failed seeds are made up for.

    Args:
        grid: The content of ``grid.json``.
        comparison: A comparison with ``seeds_to_decide``.
    """
    sides, command = {comparison['stack'], comparison['reference']}, str(grid['command'])
    planned = min(len(seeds_of(grid, row)) for row in grid['rows'] if row['stack'] in sides)
    needed = int(comparison['seeds_to_decide']) + planned - int(comparison['n_seeds'])
    if 'looks' in grid:
        last = grid['questions'][-1]['looks']['seeds'][-1]
        if needed <= last:
            return 'This command goes on to the looks that are left:', command
        return f'The looks that were planned end at {last} seeds; more would be a new question.', ''
    if comparison['family'] == PRIMARY and 'slurm' not in shlex.split(command):  # which waits for no look
        look = with_seeds(f'{command} {UNTIL_DECIDED}', max(needed, LAST_LOOK))
        return 'This command adds seeds until primary comparisons are decided, and allows for this look:', look
    return 'This command gives the others:', with_seeds(command, needed)


def with_seeds(command: str, seeds: int) -> str:
    """A command of a run with another number of seeds.

    Example:
        >>> with_seeds('python run_ablation.py my_grid.py --seeds 2 --out results/mine', 4)
        'python run_ablation.py my_grid.py --out results/mine --seeds 4'
    """
    words = shlex.split(command)
    kept = [
        word
        for before, word in zip(['', *words], words)
        if before != '--seeds' and word != '--seeds' and not word.startswith('--seeds=')
    ]
    return shlex.join([*kept, '--seeds', str(seeds)])
