"""What is open in the records of a run that goes on, or that was interrupted.

``open`` of ``grid.json`` names the cells that have no record yet, and the stacks whose cost is not measured yet. The
records of a run that came to its end lack it.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from benchmarks.record import cell_name, seeds_of

OPEN = 'open'


def open_seeds_of(grid: Mapping[str, Any], row: Mapping[str, Any]) -> Set[int]:
    """The seeds of a row of which a cell is open; with folds the cell of any fold."""
    if 'open' not in grid:
        return set()
    cells, folds = grid['open']['cells'], range(len(grid.get('folds', []))) or [None]
    return {seed for seed in seeds_of(grid, row) if any(cell_name(row['stack'], seed, fold) in cells for fold in folds)}


def open_profiles_of(grid: Mapping[str, Any]) -> Set[str]:
    """The stacks whose cost is not measured yet."""
    return set(grid['open']['profiles']) if 'open' in grid else set()


def open_stacks(grid: Mapping[str, Any]) -> Set[str]:
    """The stacks of rows that have an open cell."""
    return {row['stack'] for row in grid['rows'] if open_seeds_of(grid, row)} if 'open' in grid else set()


def with_open_verdicts(comparisons: Iterable[Mapping[str, Any]], grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The comparisons; where nothing can be compared yet, because a row has open cells, the verdicts are ``open``."""
    not_finished = open_stacks(grid)
    return [_opened(one) if not_finished & {one['stack'], one['reference']} else dict(one) for one in comparisons]


def _opened(comparison: Mapping[str, Any]) -> dict[str, Any]:
    verdicts = ('verdict', 'checkpoints_verdict')
    return dict(comparison) | {name: OPEN for name in verdicts if comparison[name] == 'missing'}


def planned_cells(grid: Mapping[str, Any]) -> list[str]:
    """The names of all cells of a grid; with folds those of each fold."""
    folds = range(len(grid.get('folds', []))) or [None]
    return [
        cell_name(row['stack'], seed, fold) for row in grid['rows'] for seed in seeds_of(grid, row) for fold in folds
    ]


def interim_text(grid: Mapping[str, Any]) -> str:
    """A paragraph that says how much is finished; empty for a run that came to its end."""
    if 'open' not in grid:
        return ''
    cells = len(planned_cells(grid))
    n_open, costs = len(grid['open']['cells']), len(grid['open']['profiles'])
    to_measure = f', and the cost of {costs} row{"s" * (costs > 1)} is still to be measured' if costs else ''
    return (
        f'**Interim report: {cells - n_open} of {cells} cells are finished{to_measure}.** Rows that are not finished '
        'say “open”, and so does a comparison until both of its rows have a finished cell. The same command goes on '
        'with the rest, and replaces this report. Verdicts may change until then, and their error rates hold for the '
        'planned number of seeds: do not stop a run because of what stands here. Panels of test images are drawn when '
        'the run ends, unless it has `--no-panels`.'
    )
