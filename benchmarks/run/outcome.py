"""The outcome of a cell: its status, and the time and memory of all its trainings together."""

from collections.abc import Mapping
from typing import Any

from benchmarks.analysis import training_course
from benchmarks.analysis.best_constant import of_several
from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import TRAINED, Cell, Step
from benchmarks.store.store import Result

PEAKS = ('peak_mib', 'peak_reserved_mib', 'host_peak_mib')
LEFT_OUT = ('acted',)


def training_facts(cell: Cell, results: Mapping[str, Result]) -> dict | None:
    """The record's ``train``; None unless every training succeeded.

    For several networks (the members of an ensemble, a teacher and its student): seconds and iterations are sums, the
    seconds in which a teacher labels included. Memory is the highest peak. The loss is the mean over the networks that
    predict (all but teachers), and ``best_constant`` is that of the one among them that learned most. Their losses by
    tenth, spikes and gradients are those of :func:`benchmarks.analysis.training_course.of_several`.
    """
    steps = [(kind, key) for kind, key in cell.steps if BY_NAME[kind].trains]
    finished = {key: results[key] for _, key in steps if key in results and results[key].ok}
    if len(finished) < len({key for _, key in steps}):
        return None
    trains = [_of_training(finished[key]) for kind, key in steps if kind in TRAINED]
    facts = {name: value for name, value in trains[-1].items() if name not in LEFT_OUT}
    if len(steps) == 1:
        return facts
    networks = [_of_training(finished[key]) for key in cell.networks]
    losses = [network['final_loss'] for network in networks]
    return {
        **facts,
        'seconds': sum(_of_training(finished[key])['seconds'] for _, key in steps),
        'iterations': sum(training['iterations'] for training in trains),
        'final_loss': sum(losses) / len(losses),
        'best_constant': of_several([network.get('best_constant') for network in networks]),
        **training_course.of_several(networks),
        **{name: _highest([training[name] for training in trains]) for name in PEAKS},
    }


def _of_training(result: Result) -> Mapping[str, Any]:
    """The facts of a training, also where its weights were taken."""
    return result.facts.get('training', result.facts)


def acted(cell: Cell, results: Mapping[str, Result]) -> dict[str, int]:
    """How often each counted part of its stages changed something: ``{'train ClipHook': 31}``."""
    counts: dict[str, int] = {}
    for kind, key in cell.steps:
        result = results.get(key)
        for part, count in (_of_training(result).get('acted', {}) if result and result.ok else {}).items():
            name = f'{"train" if kind == "take" else kind} {part}'
            counts[name] = counts.get(name, 0) + count
    return counts


def _highest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def failed_stage(cell: Cell, results: Mapping[str, Result]) -> Step | None:
    """(kind, key) of the first stage of a cell that failed, or else of the first that was not run; None if all are ok.

    Of an ensemble's members one may have failed behind another that was not run because of it. A choice of values is
    not run where the prediction of its validation images failed. A trial whose training diverged fails no cell.
    """
    failed = [(kind, key) for kind, key in cell.steps if key in results and not results[key].ok]
    missing = [(kind, key) for kind, key in cell.steps if key not in results]
    beside = [(kind, key) for kind, key in cell.beside if key in results and not results[key].ok]
    lost = [(kind, key) for kind, key in beside if results[key].status != 'diverged'] if missing else []
    return next(iter(failed + lost + missing), None)


def is_open(cell: Cell, results: Mapping[str, Result]) -> bool:
    """Whether a cell is neither finished nor failed."""
    stage = failed_stage(cell, results)
    return stage is not None and stage[1] not in results


def cell_outcome(cell: Cell, results: Mapping[str, Result]) -> tuple[str, str | None, str | None]:
    """Status, reason and failed stage of a cell: those of its first stage that did not succeed."""
    stage = failed_stage(cell, results)
    if stage is None:
        return 'ok', None, None
    kind, key = stage
    result = results.get(key)
    return (result.status, result.reason, kind) if result else ('failed', 'it was not run', kind)
