"""What a check has found out about a technique."""

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
        baseline: On which baseline.
        status: ``ok``, ``broken``, ``skipped`` (what it needs is broken), ``not applicable`` or, of the check that
            builds, ``does not fit``.
        note: Why, or what else a reader may want to know.
    """

    check: str
    baseline: str
    status: str
    note: str = ''


@dataclass(frozen=True)
class Cost:
    """What the model, one training step and one complete inference take; ``None`` where it could not be measured."""

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
        technique: Its name.
        findings: In the order in which they were made.
        costs: The cost by baseline, of those that were measured.
        reason: Why it was not checked, or how its check broke off as a whole.
        checked: Whether it was checked.
        seconds: How long it computed.
    """

    technique: str
    findings: list[Finding] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    reason: str = ''
    checked: bool = True
    seconds: float = 0.0

    @property
    def fits(self) -> list[str]:
        """The baselines that it can be put on."""
        misfits = {finding.baseline for finding in self.findings if finding.status == MISFIT}
        return [name for name in dict.fromkeys(finding.baseline for finding in self.findings) if name not in misfits]

    @property
    def broken(self) -> list[Finding]:
        """The failed checks; those that built it, when it fits no baseline at all."""
        found = [finding for finding in self.findings if finding.status == BROKEN]
        return found or ([] if self.fits else [finding for finding in self.findings if finding.status == MISFIT])

    @property
    def status(self) -> str:
        """``good``, ``broken`` or ``not checked``."""
        if not self.checked:
            return NOT_CHECKED
        return BROKEN if self.broken or self.reason else GOOD
