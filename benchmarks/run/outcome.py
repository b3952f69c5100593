"""What the training behind a cell took, all its networks together, and what acted in it."""

from collections.abc import Mapping

from benchmarks.plan.plan import Cell
from benchmarks.store.store import Result

PEAKS = ('peak_mib', 'peak_reserved_mib', 'host_peak_mib')
LEFT_OUT = ('acted',)


def training_facts(cell: Cell, results: Mapping[str, Result]) -> dict | None:
    """The record's ``train``; None unless every training succeeded.

    Of several networks (the members of an ensemble, a teacher and its student) seconds and iterations are added up,
    with the seconds in which a teacher labels; memory is the highest; the loss is the mean over those that predict (all
    but teachers).
    """
    steps = _steps(cell)
    found = [results.get(key) for _, key in steps]
    if not all(result is not None and result.ok for result in found):
        return None
    kinds = [kind for kind, _ in steps]
    trains = [result.facts for kind, result in zip(kinds, found) if kind == 'train']
    facts = {name: value for name, value in trains[-1].items() if name not in LEFT_OUT}
    if len(steps) == 1:
        return facts
    losses = [
        result.facts['final_loss']
        for kind, then, result in zip(kinds, [*kinds[1:], None], found)
        if kind == 'train' and then != 'label'
    ]
    return {
        **facts,
        'seconds': sum(result.facts['seconds'] for result in found),
        'iterations': sum(one['iterations'] for one in trains),
        'final_loss': sum(losses) / len(losses),
        **{name: _highest([one[name] for one in trains]) for name in PEAKS},
    }


def acted(cell: Cell, results: Mapping[str, Result]) -> dict[str, int]:
    """How often each part of its stages that keeps count really did its work: ``{'train ClipHook': 31}``."""
    counts: dict[str, int] = {}
    for kind, key in [*_steps(cell), ('predict', cell.predict)]:
        result = results.get(key)
        for part, count in (result.facts.get('acted', {}) if result and result.ok else {}).items():
            counts[f'{kind} {part}'] = counts.get(f'{kind} {part}', 0) + count
    return counts


def _steps(cell: Cell) -> list[tuple[str, str]]:
    """(kind, key) of its trainings and of the labelling in between."""
    return [(kind, key) for kind, key in cell.stages() if kind in ('train', 'label')]


def _highest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def failed_stage(cell: Cell, results: Mapping[str, Result]) -> tuple[str, str] | None:
    """(kind, key) of the first stage of a cell that failed, or else of the first that was not run; None when all is ok.

    Of the members of an ensemble one may have failed behind another that was not run because of it.
    """
    failed = [(kind, key) for kind, key in cell.stages() if key in results and not results[key].ok]
    missing = [(kind, key) for kind, key in cell.stages() if key not in results]
    return next(iter(failed + missing), None)


def cell_outcome(cell: Cell, results: Mapping[str, Result]) -> tuple[str, str | None, str | None]:
    """Status, reason and failed stage of a cell: those of its first stage that did not succeed."""
    stage = failed_stage(cell, results)
    if stage is None:
        return 'ok', None, None
    kind, key = stage
    result = results.get(key)
    return (result.status, result.reason, kind) if result else ('failed', 'it was not run', kind)
