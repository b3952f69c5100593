"""From a run's results to the files that reports read: records, profiles, counts, grid.json, dumped configs."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import BadInput
from benchmarks.plan.plan import Cell, Plan
from benchmarks.record import VERSION, stack_name, write_counts, write_grid, write_profile, write_record
from benchmarks.run.outcome import acted, cell_outcome, training_facts
from benchmarks.session.experiment import Experiment
from benchmarks.stacks.compose import dump_config
from benchmarks.stacks.technique import Stack
from benchmarks.stages.parents import by_role
from benchmarks.store.store import Result


def harvest(experiment: Experiment, results: Mapping[str, Result], out: Path, command: str) -> None:
    """Write all that a report needs to ``out``; records of an earlier run there are replaced.

    Args:
        experiment: What was run.
        results: Finished stages by key.
        out: The output folder.
        command: The command line, for the report.
    """
    fresh = out / '.fresh'
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _write_all(experiment, results, fresh, command)
        # Nothing of the earlier run goes before all of this one is written; grid.json, which says whose folder it is,
        # comes first.
        for path in sorted(fresh.iterdir(), key=lambda path: path.name != 'grid.json'):
            shutil.rmtree(out / path.name, ignore_errors=True)
            path.replace(out / path.name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write_all(experiment: Experiment, results: Mapping[str, Result], out: Path, command: str) -> None:
    plan = experiment.plan
    for cell in plan.cells:
        dump_config(cell.config, out / 'configs' / f'{cell.name}.py')
        write_record(out, _record(cell, results))
    for stack, key in plan.profiles.items():
        write_profile(out, _profile(stack, key, results.get(key)))
    write_counts(out, _counts(plan, results))
    write_grid(out, grid_content(experiment, command))


def refuse_foreign_folder(out: Path) -> None:
    """Refuse an output folder whose ``records/`` or ``configs/`` would be replaced although they are not a grid's.

    Raises:
        BadInput: Names the folder, before anything runs.
    """
    for name in ('records', 'configs'):
        if (out / name).exists() and not (out / 'grid.json').is_file():
            raise BadInput(
                f"--out {out}: it has a folder '{name}' that no grid has written, and that would be "
                f'replaced; name a new folder'
            )


@contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Hold the output folder, so that of two drivers on one grid each writes and reads its report undisturbed."""
    out.mkdir(parents=True, exist_ok=True)
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _record(cell: Cell, results: Mapping[str, Result]) -> dict:
    status, reason, failed_stage = cell_outcome(cell, results)
    refine = results.get(cell.refine) if cell.refine else None
    return dict(
        version=VERSION,
        cell=cell.name,
        stack=stack_name(cell.stack),
        techniques=list(cell.stack),
        seed=cell.seed,
        status=status,
        reason=reason,
        failed_stage=failed_stage,
        keys=by_role(cell.before_predict) | dict(train=cell.train, predict=cell.predict, refine=cell.refine),
        train=training_facts(cell, results),
        changed_pixels=refine.facts['changed_pixels'] if refine and refine.ok else None,
        acted=acted(cell, results),
        config=f'configs/{cell.name}.py',
    )


def _profile(stack: Stack, key: str, result: Result | None) -> dict:
    measured = result is not None and result.ok
    empty = dict(
        device=None,
        threads=None,
        n_samples=0,
        warmup=0,
        latency_ms={},
        infer_peak_mib=None,
        infer_peak_reserved_mib=None,
        host_peak_mib=None,
        params=None,
        flops=None,
    )
    reason = None if measured else (result.reason if result else 'its training failed')
    return dict(
        version=VERSION,
        stack=stack_name(stack),
        status='ok' if measured else (result.status if result else 'failed'),
        reason=reason,
        key=key,
        **(result.facts if measured else empty),
    )


def _counts(plan: Plan, results: Mapping[str, Result]) -> Iterator[dict]:
    from benchmarks.stages.facts import read_facts  # imports what measures, which a run that finds all done can spare

    for cell in plan.cells:
        if cell_outcome(cell, results)[0] == 'ok':
            for row in read_facts(results[cell.tested].folder):
                yield dict(cell=cell.name, **row)


def grid_content(experiment: Experiment, command: str) -> dict:
    """The content of ``grid.json``."""
    grid, test = experiment.grid, experiment.split('test')
    rows = [
        dict(
            stack=stack_name(stack),
            techniques=list(stack),
            label=_label(stack, experiment),
            published_dice=grid.published_dice.get(stack_name(stack)),
        )
        for stack in experiment.layout.stacks
    ]
    comparisons = [
        dict(design=one.design, stack=stack_name(one.stack), reference=stack_name(one.reference))
        for one in experiment.layout.comparisons
    ]
    images = {name: len(experiment.split(name).images) for name in ('train', 'test')}
    fingerprints = {name: experiment.fingerprint(name) for name in ('train', 'test')}
    return dict(
        version=VERSION,
        name=grid.name,
        title=grid.title,
        classes=list(test.classes),
        background=test.background,
        seeds=experiment.seeds,
        rows=rows,
        comparisons=comparisons,
        equivalence_margin=float(grid.equivalence_margin),
        device=experiment.settings.device,
        environment=experiment.environment,
        command=command,
        notes=experiment.notes,
        dataset=dict(name=experiment.dataset_name(), n_images=images, fingerprint=fingerprints),
    )


def _label(stack: Stack, experiment: Experiment) -> str:
    """``+ title`` of the last technique where the row before holds the others; else all titles; a condition comes last."""
    plain = experiment.layout.clean_stack_of.get(stack)
    if plain is not None:
        return f'{_label(plain, experiment)}, {experiment.techniques[stack[-1]].title}'
    titles = [experiment.techniques[name].title for name in stack]
    if not titles:
        return 'baseline'
    steps = {(one.stack, one.reference) for one in experiment.layout.comparisons if one.design == 'cumulative'}
    return f'+ {titles[-1]}' if (stack, stack[:-1]) in steps else ' + '.join(titles)
