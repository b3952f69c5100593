"""Runs the checks on a technique, and keeps what each finds out."""
import time
import traceback
from pathlib import Path

from benchmarks.check.arena import Arena
from benchmarks.check.checks import CHECKS, Check
from benchmarks.check.cost import measure
from benchmarks.check.quick import quick_runs
from benchmarks.check.subject import Subject
from benchmarks.check.verdict import BROKEN, MISFIT, OK, SKIPPED, Broken, Cost, Finding, NotApplicable, Verdict
from benchmarks.errors import BadInput
from benchmarks.stages.outcome import Diverged
from benchmarks.technique import read_technique

REASON_LENGTH = 300


def prepare(arena: Arena, folder: Path) -> Cost:
    """Train, test and measure the baseline itself, which techniques are compared with.

    Args:
        arena: The baseline.
        folder: Where to keep it.
    """
    with quick_runs():
        subject = Subject(arena, folder)
        subject.import_modules()
        subject.keep()
        return measure(subject)


def examine(row: Path, arenas: list[Arena], references: dict[str, Path], folder: Path, thorough: bool) -> Verdict:
    """Check one technique on every baseline; never raises what the technique raises.

    Args:
        row: The technique's file.
        arenas: The baselines.
        references: Where :func:`prepare` has kept each of them.
        folder: Working folder.
        thorough: Run every check on every baseline, and not only on the first one that the technique fits.

    Returns:
        What was found out.
    """
    start = time.perf_counter()
    try:
        technique = read_technique(row)
    except BadInput as error:
        return Verdict(row.stem, reason=str(error))
    if technique.device == 'cuda' and arenas[0].device == 'cpu':
        return Verdict(row.stem, reason='needs a GPU', checked=False)
    findings, costs, whole = [], {}, True
    for arena in arenas:
        reference = Subject.kept(arena, references[arena.name])
        subject = Subject(arena, folder / arena.name, technique, reference)
        with quick_runs():
            found = _on_one(subject, [check for check in CHECKS if whole or check.everywhere])
            findings += found
            if found[0].status == OK:
                costs[arena.name] = _cost(subject) if whole and _could_predict(found) else None
                whole = thorough
    return Verdict(row.stem, findings, costs, seconds=time.perf_counter() - start)


def _on_one(subject: Subject, checks: list[Check]) -> list[Finding]:
    findings: dict[str, Finding] = {}
    for check in checks:
        failed = [name for name in check.needs if findings[name].status != OK]
        status, note = (SKIPPED, f"'{failed[0]}' failed") if failed else _outcome(check, subject)
        findings[check.name] = Finding(check.name, subject.arena.name, status, note)
    return list(findings.values())


def _outcome(check: Check, subject: Subject) -> tuple[str, str]:
    try:
        return OK, check.run(subject) or ''
    except NotApplicable as reason:
        return OK, str(reason)
    except (Broken, Diverged) as reason:
        return BROKEN, str(reason)
    except BadInput as reason:
        return MISFIT, str(reason)
    except Exception as error:
        traceback.print_exc()
        return BROKEN, _cause(error)


def _cause(error: Exception) -> str:
    """The exception, and the last line of a plugin (of anything that is not installed) that it passed."""
    said = ' '.join(f'{type(error).__name__}: {error}'.split())
    said = f'{said[:REASON_LENGTH]} …' if len(said) > REASON_LENGTH else said
    harness = str(Path(__file__).resolve().parents[1])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if 'site-packages' not in frame.filename and not frame.filename.startswith((harness, '<')) \
                and '/lib/python' not in frame.filename:
            return f'{said} ({Path(frame.filename).name}:{frame.lineno})'
    return said


def _could_predict(findings: list[Finding]) -> bool:
    return all(one.status == OK for one in findings if one.check in ('trains', 'predicts'))


def _cost(subject: Subject) -> Cost | None:
    try:
        return measure(subject)
    except Exception:  # what is wrong has been found by a check; a figure that is missing is only missing
        traceback.print_exc()
        return None
