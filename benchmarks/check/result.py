"""The results of the checks of a technique."""

from dataclasses import dataclass, field

GOOD, BROKEN, NOT_CHECKED = 'good', 'broken', 'not checked'
OK, MISFIT, SKIPPED, NOT_APPLICABLE = 'ok', 'does not fit', 'skipped', 'not applicable'


class Broken(Exception):
    """The technique fails a check; the message says why, in one line."""


class NotApplicable(Exception):
    """The check has nothing to look at in this technique; the message says why."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check on one baseline.

    Args:
        check: The check's name.
        baseline: The name of the check baseline.
        status: ``ok``, ``broken``, ``skipped`` (a check that it needs has failed), ``not applicable``, or
            ``does not fit`` (the technique cannot be put on the baseline).
        note: The reason, or another fact for the reader.
    """

    check: str
    baseline: str
    status: str
    note: str = ''


@dataclass(frozen=True)
class Cost:
    """The cost of the model, one training step and one complete inference; None where it could not be measured."""

    parameters: int | None = None
    flops: int | None = None
    train_mib: float | None = None
    train_ms: float | None = None
    infer_mib: float | None = None
    infer_ms: float | None = None


@dataclass(frozen=True)
class TechniqueResult:
    """All findings about one technique.

    Args:
        technique: The technique's name.
        findings: The findings, in the order of the checks.
        costs: The measured costs, by baseline.
        reason: Why the technique was not checked, or how the check as a whole broke off.
        checked: Whether the technique was checked.
        seconds: Computing time of the check.
        took: Seconds of each check over all baselines, by the clock.
    """

    technique: str
    findings: list[Finding] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    reason: str = ''
    checked: bool = True
    seconds: float = 0.0
    took: dict[str, float] = field(default_factory=dict)

    @property
    def fits(self) -> list[str]:
        """The baselines that the technique can be put on."""
        misfits = {finding.baseline for finding in self.findings if finding.status == MISFIT}
        return [name for name in dict.fromkeys(finding.baseline for finding in self.findings) if name not in misfits]

    @property
    def broken(self) -> list[Finding]:
        """The failed checks; if the technique fits no baseline, the checks that tried to build it."""
        failed = [finding for finding in self.findings if finding.status == BROKEN]
        return failed or ([] if self.fits else [finding for finding in self.findings if finding.status == MISFIT])

    @property
    def status(self) -> str:
        """``good``, ``broken`` or ``not checked``."""
        if not self.checked:
            return NOT_CHECKED
        return BROKEN if self.broken or self.reason else GOOD

    def with_checks(self, *parts: 'TechniqueResult') -> 'TechniqueResult':
        """This result of building on every baseline, with all checks on one of them in place of building there.

        Args:
            parts: Results of checks on that baseline; of a check that several have, the first one counts.
        """
        checked = {finding.check: finding for part in reversed(parts) for finding in part.findings}
        on_one = {finding.baseline for finding in checked.values()}
        in_order = dict.fromkeys(finding.check for part in parts for finding in part.findings)
        findings: list[Finding] = []
        for finding in self.findings:
            findings += [checked[name] for name in in_order] if finding.baseline in on_one else [finding]
        everything = (self, *parts)
        return TechniqueResult(
            self.technique,
            findings,
            {name: cost for part in parts for name, cost in part.costs.items()},
            reason=next((part.reason for part in everything if part.reason), ''),
            checked=all(part.checked for part in everything),
            seconds=sum(part.seconds for part in everything),
            took={
                name: sum(part.took.get(name, 0.0) for part in everything)
                for name in dict.fromkeys(name for part in everything for name in part.took)
            },
        )
