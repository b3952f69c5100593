"""Runs the checks on a technique, and collects their findings.

The command names these functions without importing torch. Their processes have imported it; the functions import what
needs it.
"""

import time
import traceback
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.check.baselines import CheckBaseline
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
from benchmarks.errors import BadInput
from benchmarks.stacks.technique import Technique, read_technique, refuse_unknown_sibling
from benchmarks.stages.outcome import Diverged

if TYPE_CHECKING:
    from benchmarks.check.checks import Check
    from benchmarks.check.technique_run import TechniqueRun

PASSED = (OK, NOT_APPLICABLE)
REASON_LENGTH = 300


def prepare(baseline: CheckBaseline, folder: Path, with_breaks: bool = True) -> Cost:
    """Train, test and measure the baseline itself, with which techniques are compared.

    Args:
        baseline: The check baseline.
        folder: The folder that keeps its run.
        with_breaks: See :meth:`TechniqueRun.keep`.
    """
    from benchmarks.check.cost import measure
    from benchmarks.check.shortcuts import skipping_slow_steps
    from benchmarks.check.technique_run import TechniqueRun

    with skipping_slow_steps():
        run = TechniqueRun(baseline, folder)
        run.import_modules()
        run.keep(with_breaks=with_breaks)
        cost = measure(run)
    keep_cost(folder, cost)
    return cost


def examine(
    row: Path,
    baselines: Sequence[CheckBaseline],
    references: Mapping[str, Path],
    folder: Path,
    only: Collection[str] = (),
    known: Mapping[str, Path] | None = None,
    left_out: Collection[str] = (),
) -> TechniqueResult:
    """Check one technique on every baseline; an exception of the technique becomes a finding.

    Every check runs on the first baseline that the technique fits; on the others only those marked ``everywhere`` run.

    Args:
        row: The technique's file.
        baselines: The check baselines.
        references: The folder that :func:`prepare` has filled, by the baseline's name.
        folder: Working folder.
        only: Names of checks to run, without measuring costs; none means all checks.
        known: The files of all techniques by name, among which its sibling is.
        left_out: Names of checks that another process runs.

    Returns:
        The findings and the costs.
    """
    from benchmarks.check.checks import CHECKS
    from benchmarks.check.shortcuts import skipping_slow_steps
    from benchmarks.check.technique_run import TechniqueRun

    start = time.process_time()
    technique, sibling, refused = _read(row, known or {}, baselines[0].device)
    if technique is None:
        return refused
    checks = [check for check in CHECKS if (not only or check.name in only) and check.name not in left_out]
    findings: list[Finding] = []
    costs: dict[str, Cost] = {}
    took: dict[str, float] = defaultdict(float)
    first = True
    for baseline in baselines:
        reference = TechniqueRun.load(baseline, references[baseline.name])
        run = TechniqueRun(baseline, folder / baseline.name, technique, reference, sibling=sibling)
        with skipping_slow_steps():
            on_this = _on_one(run, [check for check in checks if first or check.everywhere], took)
            began = time.monotonic()
            cost = _cost(run) if first and not only and _could_predict(on_this) else None
            took['cost'] += time.monotonic() - began
        if cost is not None:
            costs[baseline.name] = cost
        findings += on_this
        first = first and on_this[0].status == MISFIT
    return TechniqueResult(row.stem, findings, costs, seconds=time.process_time() - start, took=dict(took))


def try_to_build(
    row: Path, baselines: Sequence[CheckBaseline], folder: Path, known: Mapping[str, Path]
) -> TechniqueResult:
    """Only build one technique on every baseline: that needs no run of the baselines themselves.

    Args:
        row: The technique's file.
        baselines: The check baselines.
        folder: Working folder.
        known: The files of all techniques by name, among which its sibling is.
    """
    from benchmarks.check.checks import CHECKS
    from benchmarks.check.technique_run import TechniqueRun

    start = time.process_time()
    technique, sibling, refused = _read(row, known, baselines[0].device)
    if technique is None:
        return refused
    took: dict[str, float] = defaultdict(float)
    findings = []
    for baseline in baselines:
        run = TechniqueRun(baseline, folder / baseline.name, technique, sibling=sibling)
        findings += _on_one(run, CHECKS[:1], took)
    return TechniqueResult(row.stem, findings, seconds=time.process_time() - start, took=dict(took))


def _read(
    row: Path, known: Mapping[str, Path], device: str
) -> tuple[Technique | None, Technique | None, TechniqueResult]:
    """A technique and its sibling, as far as there is one; or the result, if the technique cannot be checked here."""
    try:
        technique = read_technique(row)
        if known:
            refuse_unknown_sibling(technique, known)
        sibling = read_technique(known[technique.sibling]) if technique.sibling in known else None
    except BadInput as error:
        return None, None, TechniqueResult(row.stem, reason=str(error))
    if technique.device == 'cuda' and device == 'cpu':
        return None, None, TechniqueResult(row.stem, reason='needs a GPU', checked=False)
    return technique, sibling, TechniqueResult(row.stem)


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


def _on_one(run: 'TechniqueRun', checks: Sequence['Check'], took: dict[str, float]) -> list[Finding]:
    findings: dict[str, Finding] = {}
    for check in checks:
        began = time.monotonic()
        failed = [name for name in check.needs if name not in findings or findings[name].status not in PASSED]
        status, note = (SKIPPED, f"'{failed[0]}' failed") if failed else _outcome(check, run)
        findings[check.name] = Finding(check.name, run.baseline.name, status, note)
        took[check.name] += time.monotonic() - began
    return list(findings.values())


def _outcome(check: 'Check', run: 'TechniqueRun') -> tuple[str, str]:
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


def _cost(run: 'TechniqueRun') -> Cost | None:
    from benchmarks.check.cost import measure

    try:
        return measure(run)
    except Exception:  # a check has found the fault already; here only a figure is missing
        traceback.print_exc()
        return None
