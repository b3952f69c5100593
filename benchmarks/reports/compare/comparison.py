"""What differs between two output folders, from their records, ``grid.json`` and dumped configs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.metrics import margins_of, metric_asked
from benchmarks.analysis.scores import foreground_classes
from benchmarks.analysis.two_grids import Run, moved, why_unpaired
from benchmarks.record import cell_name, seeds_of
from benchmarks.reports.compare.config_changes import SEED, Change, changes, config_values
from benchmarks.reports.results import Results, read_results
from benchmarks.reports.table import metrics_of, stack_table

LATENCY = 'latency_ms_p50'
USUAL_NOISE = 0.1  # of a latency, where none was recorded: medians differ by as much from process to process
ALL_ROWS = 'all rows'
_SCORE_COLUMNS = ['stack', 'label', 'metric', 'before', 'after', 'delta', 'low', 'high', 'p', 'p_corrected', 'verdict']
_FURTHER = ['checkpoints_low', 'checkpoints_high', 'checkpoints_verdict', 'how', 'n_seeds', 'same_counts']
_OF_GRID = ('title', 'device', 'command', 'seeds', 'equivalence_margin', 'classes', 'background')
_OF_GRID_LATER = ('baseline_seeds', 'tuning', 'validation_share', 'latency_budget_ms')  # earlier records lack some


class Side(NamedTuple):
    """An output folder.

    Attributes:
        folder: The folder.
        results: Its records.
        table: Its stack table, by the names of the stacks.
    """

    folder: Path
    results: Results
    table: pd.DataFrame


class Comparison(NamedTuple):
    """What differs between two output folders.

    Attributes:
        before: The folder that is the reference.
        after: The other folder.
        moved: One row per stack and score, and per stack for its latency.
        changes: One row per setting that differs.
        unpaired: Why no row can be paired by image; empty if rows can.
    """

    before: Side
    after: Side
    moved: pd.DataFrame
    changes: pd.DataFrame
    unpaired: str


class NothingShared(ValueError):
    """Two folders have no row in common."""


def compare_folders(before: Path, after: Path) -> Comparison:
    """Compare two output folders.

    Raises:
        ValueError: A record is missing or damaged; names file and field.
        NothingShared: The folders share no row; names the rows of both.
    """
    one, other = _side(before), _side(after)
    stacks = [stack for stack in other.table.index if stack in one.table.index]
    if not stacks:
        rows = ['; '.join(side.table.index) for side in (one, other)]
        raise NothingShared(f'{before} and {after} share no row: {before} has {rows[0]}; {after} has {rows[1]}')
    runs = _run(one.results), _run(other.results)
    grid = other.results.grid
    metrics = tuple(dict.fromkeys([metric_asked(grid).name, *metrics_of(one.results.grid), *metrics_of(grid)]))
    # A difference is equal within the margin of both grids, and by a metric that has none in one of them it never is.
    both = [margins_of(side.results.grid, metrics) for side in (one, other)]
    judged = moved(stacks, *runs, {name: min(margins[name] for margins in both) for name in metrics})
    return Comparison(
        one,
        other,
        pd.concat([_scores(judged, other), _latencies(stacks, one, other)], ignore_index=True),
        pd.DataFrame(_all_changes(stacks, one, other), columns=['row', 'part', 'name', 'before', 'after']),
        why_unpaired(*runs),
    )


def _side(folder: Path) -> Side:
    results = read_results(folder)
    return Side(folder, results, stack_table(results).set_index('stack', drop=False))


def _run(results: Results) -> Run:
    grid, parts = results.grid, [results.grid['dataset'], *results.grid.get('folds', [])]
    images = [part['fingerprint'].get('test') for part in parts]
    foreground = foreground_classes(len(grid['classes']), grid['background'])
    return Run(results.counts, results.facts, grid['seeds'], foreground, None if None in images else ' '.join(images))


def _scores(judged: list[dict], after: Side) -> pd.DataFrame:
    """The judgements with the names of their rows."""
    table = pd.DataFrame(judged).assign(label=[after.table['label'][row['stack']] for row in judged])
    return table[_SCORE_COLUMNS + _FURTHER].astype(dict(n_seeds='Int64', same_counts='boolean'))


def _latencies(stacks: list[str], before: Side, after: Side) -> pd.DataFrame:
    """The latency of each row that both sides have measured, and whether it moved by more than noise."""
    rows = []
    for stack in stacks:
        sides = [side.table.loc[stack] for side in (before, after)]
        one, other = (float(side[LATENCY]) for side in sides)
        if np.isnan(one + other):
            continue
        noise = max([USUAL_NOISE, *(side['latency_noise'] for side in sides if side['latency_noise'] > 0)])
        equal = abs(other - one) <= noise * max(one, other)
        verdict = 'within noise' if equal else 'slower' if other > one else 'faster'
        rows.append(
            dict(stack=stack, label=sides[1]['label'], metric=LATENCY, before=one, after=other, delta=other - one)
            | dict(verdict=verdict)
        )
    return pd.DataFrame(rows, columns=[*_SCORE_COLUMNS, *_FURTHER]).astype(dict(n_seeds='Int64', same_counts='boolean'))


def _all_changes(stacks: list[str], before: Side, after: Side) -> Iterator[tuple]:
    """(row, part, name, before, after) of each setting; a change of each of several rows is told once."""
    grids = before.results.grid, after.results.grid
    for part, values in (('grid', _grid_values), ('environment', _environment), ('data', _data)):
        for change in changes(*map(values, grids)):
            yield ALL_ROWS, part, *change
    of_rows = {stack: dict.fromkeys(_row_changes(stack, before, after)) for stack in stacks}
    common = [change for change in of_rows[stacks[0]] if all(change in found for found in of_rows.values())]
    common = common if len(stacks) > 1 else []
    for part, change in common:
        yield ALL_ROWS, part, *change
    for stack, found in of_rows.items():
        for part, change in found:
            if (part, change) not in common:
                yield stack, part, *change


def _grid_values(grid: Mapping[str, Any]) -> dict[str, str]:
    values = {name: str(grid[name]) for name in _OF_GRID} | dict(metric=metric_asked(grid).title)
    values |= {name: str(grid.get(name)) for name in _OF_GRID_LATER}
    asked = grid.get('questions') or [{}]
    return values | {'primary comparisons': str(asked[-1].get('primary'))}


def _environment(grid: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in grid['environment'].items()}


def _data(grid: Mapping[str, Any]) -> dict[str, str]:
    """The data sets, those of folds as one."""
    parts = grid.get('folds') or [grid['dataset']]
    values = {'name': grid['dataset']['name']}
    for split in ('train', 'test'):
        values[f'{split} images'] = str(grid['dataset']['n_images'].get(split))
        values[f'{split} content'] = ' '.join(str(part['fingerprint'].get(split)) for part in parts)
    return values


def _row_changes(stack: str, before: Side, after: Side) -> Iterator[tuple[str, Change]]:
    """What changed in the config of a row; or that its stages are others although its config is the same."""
    seeds = [seeds_of(side.results.grid, _row(side, stack)) for side in (before, after)]
    shared = [seed for seed in seeds[0] if seed in seeds[1]]
    chosen = [shared[0], shared[0]] if shared else [of_side[0] for of_side in seeds]
    records = [side.results.records.get(cell_name(stack, seed)) for side, seed in zip((before, after), chosen)]
    if None in records:
        return
    one, other = (
        config_values(side.folder / record['config']) for side, record in zip((before, after), records) if record
    )
    found = changes(one, other) if one and other else []
    for change in found:
        if shared or change.name != SEED:
            yield 'config', change
    keys = [{role: str(key)[:10] for role, key in record['keys'].items() if key} for record in records if record]
    for change in changes(*keys) if shared else ():
        yield 'stage', change


def _row(side: Side, stack: str) -> Mapping[str, Any]:
    return next(row for row in side.results.grid['rows'] if row['stack'] == stack)
