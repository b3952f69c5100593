"""Runs the checks on a technique, and keeps what each finds out."""

import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.check.baselines import CheckBaseline
from benchmarks.check.checks import CHECKS, Check
from benchmarks.check.cost import measure
from benchmarks.check.result import (
    BROKEN,
    MISFIT,
    NOT_APPLICABLE,
    OK,
    SKIPPED,
    Broken,
    Cost,
    Finding,
    NotApplicable,
    TechniqueResult,
)
from benchmarks.check.shortcuts import skipping_slow_steps
from benchmarks.check.technique_run import TechniqueRun
from benchmarks.errors import BadInput
from benchmarks.stacks.technique import read_technique
from benchmarks.stages.outcome import Diverged

PASSED = (OK, NOT_APPLICABLE)
REASON_LENGTH = 300


def prepare(baseline: CheckBaseline, folder: Path) -> Cost:
    """Train, test and measure the baseline itself, which techniques are compared with.

    Args:
        baseline: The baseline.
        folder: Where to keep it.
    """
    with skipping_slow_steps():
        run = TechniqueRun(baseline, folder)
        run.import_modules()
        run.keep()
        return measure(run)


def examine(
    row: Path,
    baselines: Sequence[CheckBaseline],
    references: Mapping[str, Path],
    folder: Path,
    only: Collection[str] = (),
) -> TechniqueResult:
    """Check one technique on every baseline; never raises what the technique raises.

    On the first baseline that it fits every check runs, on the others those that belong everywhere.

    Args:
        row: The technique's file.
        baselines: The baselines.
        references: Where :func:`prepare` has kept each of them.
        folder: Working folder.
        only: Names of checks to run, and nothing is measured; none means all.

    Returns:
        What was found out.
    """
    start = time.process_time()
    try:
        technique = read_technique(row)
    except BadInput as error:
        return TechniqueResult(row.stem, reason=str(error))
    if technique.device == 'cuda' and baselines[0].device == 'cpu':
        return TechniqueResult(row.stem, reason='needs a GPU', checked=False)
    checks = [check for check in CHECKS if not only or check.name in only]
    findings, costs, first = [], {}, True
    for baseline in baselines:
        run = TechniqueRun(
            baseline, folder / baseline.name, technique, TechniqueRun.load(baseline, references[baseline.name])
        )
        with skipping_slow_steps():
            found = _on_one(run, [check for check in checks if first or check.everywhere])
            if first and not only and _could_predict(found):
                costs[baseline.name] = _cost(run)
        findings += found
        first = first and found[0].status == MISFIT
    return TechniqueResult(row.stem, findings, costs, seconds=time.process_time() - start)


def examine_first_that_fits(
    rows: Sequence[Path], baseline: CheckBaseline, reference: Path, folder: Path, only: Collection[str] = ()
) -> TechniqueResult:
    """As :func:`examine`, on one baseline, the first of several techniques that it can be put on; else the last."""
    for row in rows:
        verdict = examine(row, [baseline], {baseline.name: reference}, folder / row.stem, only)
        if verdict.fits:
            break
    return verdict


def _on_one(run: TechniqueRun, checks: Sequence[Check]) -> list[Finding]:
    findings: dict[str, Finding] = {}
    for check in checks:
        failed = [name for name in check.needs if name not in findings or findings[name].status not in PASSED]
        status, note = (SKIPPED, f"'{failed[0]}' failed") if failed else _outcome(check, run)
        findings[check.name] = Finding(check.name, run.baseline.name, status, note)
    return list(findings.values())


def _outcome(check: Check, run: TechniqueRun) -> tuple[str, str]:
    try:
        return OK, check.run(run) or ''
    except NotApplicable as reason:
        return NOT_APPLICABLE, str(reason)
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
        if (
            'site-packages' not in frame.filename
            and not frame.filename.startswith((harness, '<'))
            and '/lib/python' not in frame.filename
        ):
            return f'{said} ({Path(frame.filename).name}:{frame.lineno})'
    return said


def _could_predict(findings: Sequence[Finding]) -> bool:
    return any(one.check == 'predicts' and one.status == OK for one in findings)


def _cost(run: TechniqueRun) -> Cost | None:
    try:
        return measure(run)
    except Exception:  # what is wrong has been found by a check; a figure that is missing is only missing
        traceback.print_exc()
        return None
