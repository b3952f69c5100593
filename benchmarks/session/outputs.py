"""Writes the files that reports read: records, profiles, counts, grid.json and the resolved configs."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.data.fold_tables import FOLDER, copy_tables
from benchmarks.data.strata import write_strata
from benchmarks.errors import BadInput
from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.record import stack_name, version_of, write_counts, write_grid, write_profile, write_record
from benchmarks.run.outcome import acted, cell_outcome, training_facts
from benchmarks.stacks.compose import dump_config
from benchmarks.stacks.technique import Stack
from benchmarks.stages.chosen import with_chosen
from benchmarks.stages.parents import by_role
from benchmarks.store.checksums import write_checksums
from benchmarks.store.store import Result

CHOOSING = ('choose', 'select')  # kinds that choose values


def write_outputs(
    plan: Plan,
    results: Mapping[str, Result],
    grid: Mapping[str, Any],
    out: Path,
    write_more: Callable[[Path], None] = lambda fresh: None,
) -> None:
    """Write every file that a report needs to ``out``; they replace the records of an earlier run there.

    Args:
        plan: The plan that was run.
        results: Finished stages by key.
        grid: The content of ``grid.json``. Cells and profiles that it calls ``open`` get no record.
        out: The output folder.
        write_more: Writes further files of the records below the folder that it is given; they go to ``out``, too.
    """
    fresh = out / '.fresh'
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _write_all(plan, results, grid, fresh)
        write_more(fresh)
        write_checksums(fresh)
        # The earlier run's files stay until all new files are written. grid.json, which marks the folder as a grid's,
        # comes first.
        for path in sorted(fresh.iterdir(), key=lambda path: path.name != 'grid.json'):
            if (out / path.name).is_dir():  # set aside: to delete many files takes long, and a kill may come meanwhile
                (out / path.name).replace(fresh / f'old {path.name}')
            path.replace(out / path.name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write_all(plan: Plan, results: Mapping[str, Result], grid: Mapping[str, Any], out: Path) -> None:
    still_open = grid.get('open', dict(cells=[], profiles=[]))
    without_record = set(still_open['cells'])
    copy_tables((cell.config for cell in plan.cells), out / 'configs' / FOLDER)
    for cell in plan.cells:
        dump_config(_config(cell, results), out / 'configs' / f'{cell.name}.py')
        if cell.name not in without_record:
            write_record(out, _record(cell, results) | _validation_dice(cell, results, grid))
    unmeasured = set(still_open['profiles'])
    for stack in [stack for stack in plan.profiles if stack_name(stack) not in unmeasured]:
        write_profile(out, _profile(stack, plan, results, version_of(grid.get('folds'))))
    write_counts(out, _counts(plan, results), grid['classes'])
    write_strata(out, _strata(plan, results))
    write_grid(out, dict(grid))


def refuse_foreign_folder(out: Path) -> None:
    """Refuse an output folder with a ``records/`` or ``configs/`` that no grid has written: a run would replace them.

    Raises:
        BadInput: The folder is not a grid's; names it.
    """
    for name in ('records', 'configs'):
        if (out / name).exists() and not (out / 'grid.json').is_file():
            raise BadInput(
                f"--out {out}: it has a folder '{name}' that no grid has written, and that would be "
                f'replaced; name a new folder'
            )


def _record(cell: Cell, results: Mapping[str, Result]) -> dict:
    status, reason, failed_stage = cell_outcome(cell, results)
    refine = results.get(cell.refine) if cell.refine else None
    predict = results.get(cell.predict)
    return dict(
        version=version_of(cell.fold is not None),
        cell=cell.name,
        stack=stack_name(cell.stack),
        techniques=list(cell.stack),
        seed=cell.seed,
        **({} if cell.fold is None else dict(fold=cell.fold)),
        status=status,
        reason=reason,
        failed_stage=failed_stage,
        keys=_keys(cell, results),
        train=training_facts(cell, results),
        changed_pixels=refine.facts['changed_pixels'] if refine and refine.ok else None,
        maps_sha256=predict.facts.get('maps_sha256') if predict and predict.ok else None,
        acted=acted(cell, results),
        views=len((cell.config.get('inference') or {}).get('views') or ('identity',)),
        config=f'configs/{cell.name}.py',
        **_searches(cell, results),
    )


def _config(cell: Cell, results: Mapping[str, Result]) -> dict:
    """The config with which a cell was tested: of a tuned row with the values that were chosen, once they are."""
    return with_chosen(cell.config, {kind: choice.folder for kind, choice in _choices(cell, results).items()})


def _choices(cell: Cell, results: Mapping[str, Result]) -> dict[str, Result]:
    """The choices of values of a tuned row that were made, by kind, in the order in which they were made."""
    keys = {kind: cell.step(kind) for kind in CHOOSING}
    found = {kind: results[key] for kind, key in keys.items() if key and key in results}
    return {kind: choice for kind, choice in found.items() if choice.ok}


def _searches(cell: Cell, results: Mapping[str, Result]) -> dict[str, list]:
    """The trials of a tuned row, their scores on the validation images, and the choices; nothing for another row."""
    choices = _choices(cell, results)
    searches = [{**search, 'stage': kind} for kind, choice in choices.items() for search in choice.facts['searches']]
    return dict(searches=searches) if searches else {}


def _validation_dice(cell: Cell, results: Mapping[str, Result], grid: Mapping[str, Any]) -> dict[str, float | None]:
    """The Dice of a point of a sweep on the validation images, which decide between the points; of other rows nothing.

    It is None where the prediction of these images failed.
    """
    if cell.validated is None:
        return {}
    from benchmarks.stages.choose import dice_of  # as in _counts

    result = results.get(cell.validated[1])
    return dict(
        validation_dice=dice_of(result.folder, len(grid['classes']), grid['background'])
        if result and result.ok
        else None
    )


def _keys(cell: Cell, results: Mapping[str, Result]) -> dict[str, str | None]:
    """The keys of the cell's stages by role; ``refine`` is None for a stack without a refinement.

    ``train`` is the training that gave the weights: of a row that takes the network of a trial, that of the trial.
    """
    train = results.get(cell.train)
    taken = train.facts.get('taken') if train else None
    networks = by_role(cell.before_predict) | dict(train=taken or cell.train)
    return networks | dict(predict=cell.predict, refine=cell.refine) | by_role(cell.steps)


def _profile(stack: Stack, plan: Plan, results: Mapping[str, Result], version: int) -> dict:
    stage = plan.stages[plan.profiles[stack]]
    result = results.get(stage.key)
    measured = result.facts if result is not None and result.ok else None
    empty: dict[str, Any] = dict(
        device=None,
        threads=None,
        n_samples=0,
        warmup=0,
        latency_ms={},
        parts_ms=None,
        infer_peak_mib=None,
        infer_peak_reserved_mib=None,
        host_peak_mib=None,
        params=None,
        flops=None,
        machine=None,
        weights=None,
    )
    reason = None if measured is not None else (result.reason if result else _why_not_measured(stage, results))
    return dict(
        version=version,
        stack=stack_name(stack),
        status=result.status if result else 'failed',
        reason=reason,
        key=stage.key,
        shared_with=[stack_name(other) for other in plan.measured_by(stage.key) if other != stack],
        **(empty if measured is None else measured),
    )


def _why_not_measured(stage: Stage, results: Mapping[str, Result]) -> str:
    """The kind of the parents without a good result; a stage that failed further up leaves them without any."""
    failed = sorted({kind for kind, key in stage.parents if key not in results or not results[key].ok})
    return 'its training failed' if not failed or 'train' in failed else f'its stage {failed[0]} failed or was not run'


def _counts(plan: Plan, results: Mapping[str, Result]) -> Iterator[dict]:
    # Here, because it imports the probes, which a finished grid can spare.
    from benchmarks.stages.facts import read_facts

    for cell in _scored(plan, results):
        for row in read_facts(results[cell.tested].folder):
            yield dict(cell=cell.name, **row)


def _strata(plan: Plan, results: Mapping[str, Result]) -> Iterator[dict]:
    from benchmarks.stages.strata import read_strata

    for cell in _scored(plan, results):
        for row in read_strata(results[cell.tested].folder):
            yield dict(cell=cell.name, **row)


def _scored(plan: Plan, results: Mapping[str, Result]) -> list[Cell]:
    """The cells that are ok, in the order of their names, in which tables of all cells are written."""
    return sorted((cell for cell in plan.cells if cell_outcome(cell, results)[0] == 'ok'), key=lambda cell: cell.name)
