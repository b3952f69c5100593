"""What a plan will do, in words: what is cached, what runs and why, what it may cost; and what failed in the end."""
import shutil
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.display import duration
from benchmarks.errors import BadInput
from benchmarks.experiment import Experiment
from benchmarks.plan import Plan
from benchmarks.run import cell_outcome
from benchmarks.store import Result, Store
from benchmarks.technique import stack_name

KINDS = ('train', 'predict', 'refine', 'profile')
# A parameter is stored in 4 bytes; a map takes 2 bytes per pixel and class before it is packed.
BYTES_PER_PARAMETER, BYTES_PER_PROBABILITY = 4, 2
MARGIN_BYTES = 200 * 2**20


def show_plan(plan: Plan, results: Mapping[str, Result], reasons: Mapping[str, str], store: Store, jobs: int,
              notes: list[str]) -> None:
    """Print the plan: stages per kind, what is cached, why the others run, and how long that may take."""
    kinds = ', '.join(f'{plan.count(kind)} {kind}' for kind in KINDS if plan.count(kind))
    print(f'{len(plan.profiles)} stacks, {len(plan.cells)} cells; distinct stages: {kinds}')
    print(f'{len(results)} cached, {len(reasons)} to run' + (f', {jobs} at a time' if reasons else ''))
    failed, held = sum(not result.ok for result in results.values()), len(plan.stages) - len(results) - len(reasons)
    if failed:
        print(
            f'  {failed} of the cached are failures, {held} more stages wait for them: --retry-failed runs them again')
    for (kind, reason), labels in _by_reason(plan, reasons).items():
        shown = ', '.join(labels[:3]) + (f' and {len(labels) - 3} more' if len(labels) > 3 else '')
        print(f'  {kind:8}{len(labels):3} × {reason}: {shown}')
    if reasons:
        print(f'  {_cost(plan, reasons, store, jobs)}')
    for note in notes:
        print(f'note: {note}')


def _by_reason(plan: Plan, reasons: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for key, reason in reasons.items():
        stage = plan.stages[key]
        grouped.setdefault((stage.kind, reason), []).append(stage.label)
    return dict(sorted(grouped.items(), key=lambda item: KINDS.index(item[0][0])))


def _cost(plan: Plan, reasons: Mapping[str, str], store: Store, jobs: int) -> str:
    """Estimated from what stages of the same kind took in this work dir; says so when there is none."""
    wanted = Counter(plan.stages[key].kind for key in reasons)
    typical = {kind: _typical_seconds(store, kind) for kind in wanted}
    unknown = [kind for kind, seconds in typical.items() if seconds is None]
    steps = sum((plan.stages[key].config.get('train_cfg') or {}).get('max_iters', 0) for key in reasons
                if plan.stages[key].kind == 'train')
    text = f'training steps: {steps}' if steps else 'no training step'
    seconds = sum(typical[kind] * count / (1 if kind == 'profile' else jobs)
                  for kind, count in wanted.items() if typical[kind] is not None)
    if seconds:
        text += f'; estimated time: {duration(seconds)}'
    if unknown:
        text += f' (nothing measured here yet to estimate {", ".join(unknown)} by)'
    return text


def _typical_seconds(store: Store, kind: str) -> float | None:
    seconds = [result.facts['seconds'] for result in store.stored(kind) if result.ok and 'seconds' in result.facts]
    return statistics.median(seconds) if seconds else None


def refuse_full_disk(work_dir: Path, plan: Plan, reasons: Mapping[str, str], experiment: Experiment) -> None:
    """Refuse a plan whose results do not fit on the disk.

    Raises:
        BadInput: Says how much is needed and how much is free.
    """
    needed = MARGIN_BYTES * bool(reasons)
    pixels = experiment.test_pixels()
    for key in reasons:
        stage = plan.stages[key]
        if stage.kind == 'train':
            needed += BYTES_PER_PARAMETER * experiment.parameters(stage.config)
        if stage.kind == 'predict':
            needed += BYTES_PER_PROBABILITY * pixels * len(experiment.split('test').classes)
    free = shutil.disk_usage(work_dir).free
    if needed > free:
        raise BadInput(
            f'the plan may write {needed / 2**20:.0f} MiB to {work_dir}, where {free / 2**20:.0f} MiB are free; '
            f'make room, or choose another --work-dir')


def failed_cells(plan: Plan, results: Mapping[str, Result]) -> list[str]:
    """One line for each cell and each measurement that failed."""
    lines = []
    for cell in plan.cells:
        status, reason, stage = cell_outcome(cell, results)
        if status != 'ok':
            log = results[dict(cell.stages())[stage]].folder / 'log.txt' if dict(
                cell.stages())[stage] in results else None
            lines.append(f'{cell.name}: {status} in {stage}: {reason}' +
                         (f' (log: {log})' if log and log.exists() else ''))
    for stack, key in plan.profiles.items():
        result = results.get(key)
        if result is not None and not result.ok:
            lines.append(f'{stack_name(stack)}: {result.status} in profile: {result.reason}')
    return lines
