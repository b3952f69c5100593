"""What a plan will do, in words: what is cached, what runs and why, what it may cost; and what failed in the end."""

import statistics
from collections import Counter
from collections.abc import Mapping

from benchmarks.kinds import BY_NAME, NAMES
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Plan, Stage
from benchmarks.record import stack_name
from benchmarks.run.outcome import cell_outcome, failed_stage
from benchmarks.session.display import duration
from benchmarks.stages.worker import LOG
from benchmarks.store.store import Result, Store


def show_plan(
    plan: Plan,
    results: Mapping[str, Result],
    reasons: Mapping[str, str],
    store: Store,
    jobs: int,
    notes: list[str],
    labels_shown: int = 3,
) -> None:
    """Print the plan: what is shared, what is found, why the others run, and how long that may take."""
    print(
        f'{_some(len(plan.cells), "cell")}, {_some(plan.count("train"), "training")}, '
        f'{_some(inference_passes(plan), "inference pass", "es")}; by hand: {_by_hand(plan)}'
    )
    kinds = ', '.join(f'{plan.count(kind)} {kind}' for kind in NAMES if plan.count(kind))
    print(f'{_some(len(plan.profiles), "stack")}; distinct stages: {kinds}')
    print(f'{len(results)} cached, {len(reasons)} to run' + (f', {jobs} at a time' if reasons else ''))
    failed, held = sum(not result.ok for result in results.values()), len(plan.stages) - len(results) - len(reasons)
    if failed:
        print(
            f'  {failed} of the cached are failures, {held} more stages wait for them: --retry-failed runs them again'
        )
    for (kind, _), labels in _by_reason(plan, dict.fromkeys(results, 'found')).items():
        print(f'  {kind:8}{len(labels):3} found: {_first(labels, labels_shown)}')
    for (kind, reason), labels in _by_reason(plan, reasons).items():
        print(f'  {kind:8}{len(labels):3} × {reason}: {_first(labels, labels_shown)}')
    if reasons:
        print(f'  {_cost(plan, reasons, store, jobs)}')
    for note in notes:
        print(f'note: {note}')


def inference_passes(plan: Plan) -> int:
    """How many times a network goes over a data set to predict or label it: stages that share a pass count as one."""
    predicts = [stage for stage in plan.stages.values() if stage.kind == 'predict']
    return len({batch_key(stage) or stage.key for stage in predicts}) + plan.count('label')


def _by_hand(plan: Plan) -> str:
    once, each_design = plan.by_hand(), plan.by_hand(each_design=True)
    text = f'{_some(once[0], "training")}, {_some(once[1], "test")}'
    return text if once == each_design else f'{text} ({each_design[0]} and {each_design[1]} for a table of each design)'


def _some(number: int, noun: str, plural: str = 's') -> str:
    return f'{number} {noun}{plural if number != 1 else ""}'


def _first(labels: list[str], shown: int) -> str:
    return ', '.join(labels[:shown]) + (f' and {len(labels) - shown} more' if len(labels) > shown else '')


def _by_reason(plan: Plan, reasons: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for key, reason in reasons.items():
        stage = plan.stages[key]
        grouped.setdefault((stage.kind, reason), []).append(stage.label)
    return dict(sorted(grouped.items(), key=lambda item: NAMES.index(item[0][0])))


def _cost(plan: Plan, reasons: Mapping[str, str], store: Store, jobs: int) -> str:
    """Estimated from what stages of the same kind took in this work dir; says so when there is none."""
    stages = [plan.stages[key] for key in reasons]
    stored = {
        kind: [result for result in store.stored(kind) if result.ok and result.facts.get('seconds') is not None]
        for kind in {stage.kind for stage in stages}
    }
    unknown = [kind for kind in NAMES if kind in stored and not stored[kind]]
    seconds = sum(
        _seconds(stage, stored[stage.kind]) / (1 if BY_NAME[stage.kind].measures_alone else jobs)
        for stage in stages
        if stored[stage.kind]
    )
    text = _training([stage.config.get('train_cfg') or {} for stage in stages if stage.kind == 'train'])
    if seconds:
        text += f'; estimated time: {duration(seconds)}'
    if unknown:
        text += f' (nothing measured here yet to estimate {", ".join(unknown)} by)'
    return text


def _training(loops: list[dict]) -> str:
    """How much is trained, in the unit in which each training counts."""
    steps = sum(loop.get('max_iters') or 0 for loop in loops)
    epochs = Counter(loop['max_epochs'] for loop in loops if loop.get('max_epochs'))
    parts = [f'training steps: {steps}'] if steps else []
    parts += [f'{number} training{"s" * (number > 1)} of {length} epochs' for length, number in epochs.items()]
    return ', '.join(parts) or 'no training step'


def _seconds(stage: Stage, stored: list[Result]) -> float:
    """Median of what such stages took; of a training that counts steps, what as many steps take."""
    steps = (stage.config.get('train_cfg') or {}).get('max_iters') if stage.kind == 'train' else None
    per_step = [
        result.facts['seconds'] / result.facts['iterations'] for result in stored if result.facts.get('iterations')
    ]
    if steps and per_step:
        return steps * statistics.median(per_step)
    return statistics.median(result.facts['seconds'] for result in stored)


def failed_cells(plan: Plan, results: Mapping[str, Result]) -> list[str]:
    """One line for each cell and each measurement that failed."""
    lines = []
    for cell in plan.cells:
        status, reason, kind = cell_outcome(cell, results)
        if status != 'ok':
            _, key = failed_stage(cell, results)
            lines.append(f'{cell.name}: {status} in {kind}: {reason}{_log_of(results.get(key))}')
    for stack, key in plan.profiles.items():
        result = results.get(key)
        if result is not None and not result.ok:
            lines.append(f'{stack_name(stack)}: {result.status} in profile: {result.reason}{_log_of(result)}')
    return lines


def _log_of(result: Result | None) -> str:
    log = result.folder / LOG if result else None
    return f' (log: {log})' if log and log.exists() else ''
