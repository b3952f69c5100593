"""Runs the checks on a technique, and collects their findings."""

import time
import traceback
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.check.baselines import CheckBaseline
from benchmarks.check.checks import CHECKS, Check
from benchmarks.check.cost import measure
from benchmarks.check.kept import keep_cost
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


def prepare(baseline: CheckBaseline, folder: Path, with_capture: bool = True) -> Cost:
    """Train, test and measure the baseline itself, with which techniques are compared.

    Args:
        baseline: The check baseline.
        folder: The folder that keeps its run.
        with_capture: See :meth:`TechniqueRun.keep`.
    """
    with skipping_slow_steps():
        run = TechniqueRun(baseline, folder)
        run.import_modules()
        run.keep(with_capture=with_capture)
        cost = measure(run)
    keep_cost(folder, cost)
    return cost


def examine(
    row: Path,
    baselines: Sequence[CheckBaseline],
    references: Mapping[str, Path],
    folder: Path,
    only: Collection[str] = (),
) -> TechniqueResult:
    """Check one technique on every baseline; an exception of the technique becomes a finding.

    Every check runs on the first baseline that the technique fits; on the others only those marked ``everywhere`` run.

    Args:
        row: The technique's file.
        baselines: The check baselines.
        references: The folder that :func:`prepare` has filled, by the baseline's name.
        folder: Working folder.
        only: Names of checks to run, without measuring costs; none means all checks.

    Returns:
        The findings and the costs.
    """
    start = time.process_time()
    try:
        technique = read_technique(row)
    except BadInput as error:
        return TechniqueResult(row.stem, reason=str(error))
    if technique.device == 'cuda' and baselines[0].device == 'cpu':
        return TechniqueResult(row.stem, reason='needs a GPU', checked=False)
    checks = [check for check in CHECKS if not only or check.name in only]
    findings: list[Finding] = []
    costs: dict[str, Cost] = {}
    took: dict[str, float] = defaultdict(float)
    first = True
    for baseline in baselines:
        run = TechniqueRun(
            baseline, folder / baseline.name, technique, TechniqueRun.load(baseline, references[baseline.name])
        )
        with skipping_slow_steps():
            on_this = _on_one(run, [check for check in checks if first or check.everywhere], took)
            cost = _cost(run) if first and not only and _could_predict(on_this) else None
        if cost is not None:
            costs[baseline.name] = cost
        findings += on_this
        first = first and on_this[0].status == MISFIT
    return TechniqueResult(row.stem, findings, costs, seconds=time.process_time() - start, took=dict(took))


def examine_first_that_fits(
    rows: Sequence[Path], baseline: CheckBaseline, reference: Path, folder: Path, only: Collection[str] = ()
) -> TechniqueResult:
    """Check the first of several techniques that fits a baseline; if none fits, give the result of the last.

    Args:
        rows: The techniques' files.
        baseline: The check baseline.
        reference: The folder that :func:`prepare` has filled.
        folder: Working folder.
        only: Names of checks to run, without measuring costs; none means all checks.
    """
    for row in rows:
        result = examine(row, [baseline], {baseline.name: reference}, folder / row.stem, only)
        if result.fits:
            break
    return result


def _on_one(run: TechniqueRun, checks: Sequence[Check], took: dict[str, float]) -> list[Finding]:
    findings: dict[str, Finding] = {}
    for check in checks:
        began = time.monotonic()
        failed = [name for name in check.needs if name not in findings or findings[name].status not in PASSED]
        status, note = (SKIPPED, f"'{failed[0]}' failed") if failed else _outcome(check, run)
        findings[check.name] = Finding(check.name, run.baseline.name, status, note)
        took[check.name] += time.monotonic() - began
    return list(findings.values())


def _outcome(check: Check, run: TechniqueRun) -> tuple[str, str]:
    try:
        return OK, check.function(run) or ''
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
    """The exception, and the innermost line outside the harness and the installed packages, which is a plugin's."""
    text = ' '.join(f'{type(error).__name__}: {error}'.split())
    text = f'{text[:REASON_LENGTH]} …' if len(text) > REASON_LENGTH else text
    harness = str(Path(__file__).resolve().parents[1])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if (
            'site-packages' not in frame.filename
            and not frame.filename.startswith((harness, '<'))
            and '/lib/python' not in frame.filename
        ):
            return f'{text} ({Path(frame.filename).name}:{frame.lineno})'
    return text


def _could_predict(findings: Sequence[Finding]) -> bool:
    return any(finding.check == 'predicts' and finding.status == OK for finding in findings)


def _cost(run: TechniqueRun) -> Cost | None:
    try:
        return measure(run)
    except Exception:  # a check has found the fault already; here only a figure is missing
        traceback.print_exc()
        return None
