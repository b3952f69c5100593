"""Which grid the records in an output folder belong to, so that two grids of one name do not replace each other's.

``grid.json`` and the store's file of an output folder name the grid's file, relative to the output folder, and its
state. A project that is moved as a whole keeps its records, because the relative path still holds. A grid whose old
file is gone was moved or renamed, and one with the same content elsewhere is a copy: both keep their folder.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.analysis.metrics import DICE, metric_asked
from benchmarks.errors import BadInput
from benchmarks.files import digest, read_json
from benchmarks.plan.controls import lacks_control, with_control
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import Grid
from benchmarks.plan.layout import Layout
from benchmarks.plan.question import question_of
from benchmarks.plan.tuned_rows import with_tuned_rows
from benchmarks.record import CONTROL_DESIGN, stack_name
from benchmarks.store.outputs import Outputs

SOURCE = 'source'  # the key in grid.json


def source_of(grid: Grid, out: Path) -> dict[str, str]:
    """What an output folder remembers of its grid: the file, relative to the folder, and a digest of the content."""
    return dict(file=os.path.relpath(grid.file.resolve(), out.resolve()), state=_state(grid))


def refuse_another_grids_folder(grid: Grid, out: Path, outputs: Outputs | None = None) -> None:
    """Refuse an output folder that holds, or will soon hold, the records of another grid.

    Args:
        grid: The grid that is asked for.
        out: The output folder.
        outputs: The output folders that the store knows, among them those of runs that were interrupted before they
            wrote any record; None asks the folder alone.

    Raises:
        BadInput: Names both grid files, and the ways out.
    """
    written = read_json(out / 'grid.json')
    remembered = [written.get(SOURCE) if isinstance(written, dict) else None]
    remembered += [] if outputs is None else [outputs.source_of(out)]
    for source in remembered:
        owner = _other_owner(source, grid, out)
        if owner is not None:
            raise BadInput(
                f'{out} holds the records of the grid {owner}, which is another grid than {grid.file}. '
                f'Give this grid a folder of its own with --out. If the other grid is no longer needed, delete {out}: '
                f'its results stay in the store, and the same command would write its records again'
            )


def _other_owner(source: Any, grid: Grid, out: Path) -> Path | None:
    """The file of the other grid; None if the folder is this grid's, a copy's, a moved grid's or nobody's."""
    if not isinstance(source, Mapping) or not isinstance(source.get('file'), str):
        return None
    file = (out.resolve() / source['file']).resolve()
    if file == grid.file.resolve() or not file.is_file() or source.get('state') == _state(grid):
        return None
    return file


def changes_since(grid: Grid, seeds: int | None, recorded: Mapping[str, Any]) -> list[str]:
    """How a grid differs from the one that its records were made from: one phrase for each difference.

    Args:
        grid: The grid.
        seeds: The number of seeds that the command line asks for; None for the grid's own.
        recorded: The content of ``grid.json``.
    """
    own_values = {one['name']: one['called'] for one in recorded.get('variants', [])}
    layout = lay_out(grid.designs).renamed(own_values)
    tuning = recorded.get('tuning', {})
    layout = with_tuned_rows(layout, tuning.get('techniques', ()), tuning.get('trained', ()))
    if grid.positive_control and lacks_control(layout, grid.equivalence_margin) and _has_control(recorded):
        layout = with_control(layout)  # the grid got it by itself; records of before have none
    return list(_differences(grid, grid.seeds if seeds is None else seeds, recorded, layout))


def _has_control(recorded: Mapping[str, Any]) -> bool:
    return any(one['design'] == CONTROL_DESIGN for one in recorded['comparisons'])


def _differences(grid: Grid, seeds: int, recorded: Mapping[str, Any], layout: Layout) -> Iterator[str]:
    if grid.title != recorded['title']:
        yield f"the title '{recorded['title']}' instead of '{grid.title}'"
    asked = recorded.get('seeds_asked', len(recorded['seeds']))
    if seeds != asked and 'looks' not in recorded:
        yield f'{asked} seeds instead of {seeds}'
    if grid.baseline_seeds != recorded.get('baseline_seeds'):
        yield f'baseline_seeds={recorded.get("baseline_seeds")!r} instead of {grid.baseline_seeds!r}'
    rows = {row['stack']: row for row in recorded['rows']}
    wanted = [stack_name(stack) for stack in layout.stacks]
    more, fewer = [name for name in rows if name not in wanted], [name for name in wanted if name not in rows]
    if more:
        yield f'rows that the grid no longer has ({", ".join(more)})'
    if fewer:
        yield f'no rows for {", ".join(fewer)}'
    if not more and not fewer and list(rows) != wanted:
        yield 'its rows in another order'
    old = {(one['design'], one['stack'], one['reference']) for one in recorded['comparisons']}
    new = {(one.design, stack_name(one.stack), stack_name(one.reference)) for one in layout.comparisons}
    if not more and not fewer and old != new:
        yield 'other comparisons'
    if float(grid.equivalence_margin) != recorded['equivalence_margin']:
        yield f'an equivalence margin of {recorded["equivalence_margin"]:g} instead of {grid.equivalence_margin:g}'
    if grid.validation_share != recorded.get('validation_share'):
        yield f'validation_share={recorded.get("validation_share")} instead of {grid.validation_share}'
    if grid.latency_budget_ms != recorded.get('latency_budget_ms'):
        yield f'latency_budget_ms={recorded.get("latency_budget_ms")} instead of {grid.latency_budget_ms}'
    asked = recorded.get('questions') or [{}]
    if asked[-1].get('primary', question_of(grid, layout)['primary']) != question_of(grid, layout)['primary']:
        yield 'other primary comparisons'
    if metric_asked(recorded).name != grid.metric:
        yield f'the metric {metric_asked(recorded).name} instead of {grid.metric}'
    published = {name: row['published_dice'] for name, row in rows.items() if row['published_dice'] is not None}
    if published != {name: dice for name, dice in grid.published_dice.items() if name in rows}:
        yield 'other published values'


def _state(grid: Grid) -> str:
    """A digest of a grid's content, in which files have no absolute paths, so that a copy elsewhere is the same.

    A baseline's file enters by its name and content, a folder of techniques by its path from the grid's file.
    """
    content = asdict(grid)
    beside = grid.file.resolve().parent
    content['technique_folders'] = [os.path.relpath(folder, beside) for folder in grid.technique_folders]
    for field in ('file', 'slurm', 'ray', 'store'):  # where a grid runs makes it no other
        del content[field]
    if grid.latency_budget_ms is None:  # a grid without the field has the state that it had before there was one
        del content['latency_budget_ms']
    if grid.positive_control:
        del content['positive_control']  # as above
    if content['primary'] is None:
        del content['primary']  # a field that earlier states did not have
    if grid.metric == DICE.name:  # a grid of before there was the field asked by Dice
        del content['metric']
    if grid.validation_share is None:
        del content['validation_share']  # as above
    if grid.baseline_seeds is None:  # so that a grid without the field has the state that it had before the field
        del content['baseline_seeds']
    baseline = Path(grid.baseline)
    if baseline.is_file():
        content['baseline'] = [baseline.name, hashlib.sha256(baseline.read_bytes()).hexdigest()]
    return digest(content)[:40]
