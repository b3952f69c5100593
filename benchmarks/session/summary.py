"""Describes a plan in words: which stages are cached, which run and why, how long that may take; and which failed."""

from collections import Counter
from collections.abc import Collection, Mapping

from benchmarks.errors import some_of
from benchmarks.kinds import NAMES
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Plan
from benchmarks.record import stack_name
from benchmarks.run.outcome import cell_outcome, failed_stage
from benchmarks.session.doing import duration
from benchmarks.session.time_left import TimeLeft
from benchmarks.session.validation import trainings_of_trials
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
    time_left: TimeLeft | None = None,
    brought: Collection[str] = (),
) -> None:
    """Print the plan: how much work is shared, which stages are cached, why the others run, how long that may take.

    Args:
        plan: The plan.
        results: Cached results by key.
        reasons: Why each other stage runs, by key.
        store: The store, whose results tell how long stages take.
        jobs: How many stages run at once.
        notes: What the user should know of the baseline and its data.
        labels_shown: How many stages of one kind and reason are named; the others are counted.
        time_left: Estimates the time; None knows neither the data nor earlier runs.
        brought: Keys of the stages whose results are brought from a remote store, in no time to speak of.
    """
    print(
        f'{_counted(len(plan.cells), "cell")}, {_counted(plan.count("train"), "training")}, '
        f'{_counted(inference_passes(plan), "inference pass", "es")}; by hand: {_by_hand(plan)}'
    )
    kinds = ', '.join(f'{plan.count(kind)} {kind}' for kind in NAMES if plan.count(kind))
    print(f'{_counted(len(plan.profiles), "stack")}; distinct stages: {kinds}')
    print(f'{len(results)} cached, {len(reasons)} to run' + (f', {jobs} at a time' if reasons else ''))
    failed, held = sum(not result.ok for result in results.values()), len(plan.stages) - len(results) - len(reasons)
    if failed:
        print(
            f'  {failed} of the cached are failures, {held} more stages wait for them: --retry-failed runs them again'
        )
    for (kind, _), labels in _by_reason(plan, dict.fromkeys(results, 'found')).items():
        print(f'  {kind:8}{len(labels):3} found: {some_of(labels, labels_shown)}')
    for (kind, reason), labels in _by_reason(plan, reasons).items():
        print(f'  {kind:8}{len(labels):3} × {reason}: {some_of(labels, labels_shown)}')
    computed = {key: reason for key, reason in reasons.items() if key not in brought}
    if computed:
        time_left = time_left or TimeLeft(plan, store, jobs)
        print(f'  {_cost(plan, computed, time_left)}')
        for line in _cost_of_trials(plan, computed, time_left):
            print(f'  {line}')
    for line in _sharing(plan):
        print(f'shared: {line}')
    for note in notes:
        print(f'note: {note}')


def _sharing(plan: Plan) -> list[str]:
    """What is shared, where fewer things are done than the table has rows: a line for each kind of sharing."""
    lines, cells = [], len(plan.cells)
    predicts, passes = plan.count('predict'), inference_passes(plan) - plan.count('label')
    users = Counter(cell.weights[1] for cell in plan.cells)
    shared = sum(number > 1 for number in users.values())
    if shared:
        cells_with = sum(number for number in users.values() if number > 1)
        lines.append(
            f'{cells_with} cells predict with {_counted(shared, "network")} that they share, because they differ in '
            f'inference or test images alone'
        )
    if passes < predicts:
        lines.append(
            f'{predicts} predictions come out of {_counted(passes, "inference pass", "es")}: stacks that differ in '
            f'views alone run their network together'
        )
    read = len({key for cell in plan.cells for kind, key in cell.steps if kind == 'predict'})  # none of validation
    if 0 < read < cells:
        lines.append(f'{cells} cells read {_counted(read, "prediction")}: refinements work on stored maps')
    return lines


def inference_passes(plan: Plan) -> int:
    """How many times a network goes over a data set to predict or label it; stages that share a pass count as one."""
    predicts = [stage for stage in plan.stages.values() if stage.kind == 'predict']
    return len({batch_key(stage) or stage.key for stage in predicts}) + plan.count('label')


def _by_hand(plan: Plan) -> str:
    once, each_design = plan.by_hand(), plan.by_hand(each_design=True)
    text = f'{_counted(once[0], "training")}, {_counted(once[1], "test")}'
    return text if once == each_design else f'{text} ({each_design[0]} and {each_design[1]} for a table of each design)'


def _counted(number: int, noun: str, plural: str = 's') -> str:
    return f'{number} {noun}{plural if number != 1 else ""}'


def _by_reason(plan: Plan, reasons: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for key, reason in reasons.items():
        stage = plan.stages[key]
        grouped.setdefault((stage.kind, reason), []).append(stage.label)
    return dict(sorted(grouped.items(), key=lambda item: NAMES.index(item[0][0])))


def _cost(plan: Plan, reasons: Mapping[str, str], time_left: TimeLeft) -> str:
    """The length of the trainings, and the estimated time of all stages; names the kinds of which nothing is known."""
    stages = [plan.stages[key] for key in reasons]
    text = _training([stage.config.get('train_cfg') or {} for stage in stages if stage.kind == 'train'])
    seconds, unknown = time_left.planned_s(reasons)
    if seconds:
        text += f'; estimated time: {duration(seconds)}'
    if unknown:
        text += f' (nothing measured here yet to estimate {", ".join(unknown)} by)'
    return text


def _cost_of_trials(plan: Plan, reasons: Mapping[str, str], time_left: TimeLeft) -> list[str]:
    """What of that is for trials of tuned rows; no line where no network is tuned."""
    trained = [key for key in trainings_of_trials(plan) if key in reasons]
    if not trained:
        return []
    own = {key for cell in plan.cells for _, key in cell.steps}
    predicted = {key for cell in plan.cells for kind, key in cell.beside if kind == 'predict' and key not in own}
    length = _training([plan.stages[key].config.get('train_cfg') or {} for key in trained])
    text = f'of these for trials of tuned rows alone: {_counted(len(trained), "training")} ({length})'
    seconds, _ = time_left.planned_s([*trained, *(key for key in reasons if key in predicted)])
    return [f'{text}; estimated time: {duration(seconds)}' if seconds else text]


def _training(loops: list[dict]) -> str:
    """The length of all trainings, in the unit of each: steps or epochs."""
    steps = sum(loop.get('max_iters') or 0 for loop in loops)
    epochs = Counter(loop['max_epochs'] for loop in loops if loop.get('max_epochs'))
    parts = [f'training steps: {steps}'] if steps else []
    parts += [f'{number} training{"s" * (number > 1)} of {length} epochs' for length, number in epochs.items()]
    return ', '.join(parts) or 'no training step'


def failed_cells(plan: Plan, results: Mapping[str, Result], *, ended: bool = True) -> list[str]:
    """One line for each cell and each measurement that failed.

    Args:
        plan: The plan.
        results: Finished stages by key.
        ended: Whether the run has ended, so that a cell without a result has failed, too.
    """
    lines = []
    for cell in plan.cells:
        status, reason, kind = cell_outcome(cell, results)
        failed = failed_stage(cell, results)
        if failed is not None and (ended or failed[1] in results):
            _, key = failed
            lines.append(f'{cell.name}: {status} in {kind}: {reason}{_log_of(results.get(key))}')
    for stack, key in plan.profiles.items():
        result = results.get(key)
        if result is not None and not result.ok:
            lines.append(f'{stack_name(stack)}: {result.status} in profile: {result.reason}{_log_of(result)}')
    return lines


def _log_of(result: Result | None) -> str:
    log = result.folder / LOG if result else None
    return f' (log: {log})' if log and log.exists() else ''
