"""Verdicts on many estimates of one kind that nobody asked for one by one.

The interactions of a factorial or the gains in each stratum of the images are looked through, not asked for. So their p
values are corrected by the method of Benjamini and Hochberg: of the gains and losses that are called in a family, about
5 % are false. Verdicts are those of :func:`benchmarks.analysis.verdicts.verdict`. Where seeds are spent until the
question is decided, an estimate is judged at its look, as a comparison is: by repeated p values and repeated intervals.

Reference: Benjamini and Hochberg 1995, "Controlling the false discovery rate".
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.corrections import benjamini_hochberg
from benchmarks.analysis.resampling import Estimate, alike, falls_short, interval, intervals, p_values
from benchmarks.analysis.spending import Look
from benchmarks.analysis.verdicts import SIGNIFICANCE, p_of_equivalence, verdict

_NAN = float('nan')


class Finding(NamedTuple):
    """An estimate with its verdict.

    Attributes:
        value: Percent points; NaN without an estimate, as ``low`` and ``high``.
        low: Lower end of the uncorrected 95 % interval.
        high: Its upper end.
        p: Uncorrected; NaN without a test.
        p_corrected: Corrected over the family.
        verdict: gain, loss, equivalent, undecided, not learned or missing.
        n_seeds: Seeds behind the estimate.
    """

    value: float
    low: float
    high: float
    p: float
    p_corrected: float
    verdict: str
    n_seeds: int


def judged(
    estimates: Sequence[Estimate | None],
    margin: float,
    learned: Sequence[bool] | None = None,
    width: float = 100.0,
    at: Sequence[Look] | None = None,
) -> list[Finding]:
    """Judge a family of estimates.

    Args:
        estimates: None where there is nothing to estimate.
        margin: Equivalence margin, percent points; 0 for none.
        learned: False for an estimate on a network that has learned nothing: it is shown, but not tested.
        width: The largest possible distance from 0, percent points.
        at: The look at which each estimate is judged; None for fixed seeds.
    """
    tested = [True] * len(estimates) if learned is None else learned
    looks = [Look()] * len(estimates) if at is None else at
    p = _p([est if test else None for est, test in zip(estimates, tested)])
    corrected = benjamini_hochberg([look.repeated(raw) for look, raw in zip(looks, p)])
    of_equivalence = p_of_equivalence(estimates, margin)
    return [
        _finding(est, float(raw), float(of_family), _at_look(float(equal), look), test, width, look)
        for est, raw, of_family, equal, test, look in zip(estimates, p, corrected, of_equivalence, tested, looks)
    ]


def verdicts_of(
    estimates: Sequence[Estimate | None], margin: float = 0.0, at: Sequence[Look] | None = None
) -> list[str]:
    """The verdicts of :func:`judged` without its p values, in half the time.

    Args:
        estimates: None where there is nothing to estimate.
        margin: Equivalence margin in the unit of the estimates; 0 for none.
        at: The look at which each estimate is judged; None for fixed seeds.

    Returns:
        list: gain, loss, equivalent, undecided or missing.
    """
    # A p of 0.05 or more is never called, whatever it is; its value does not matter to the correction of the others.
    looks = [Look()] * len(estimates) if at is None else at
    shown = _exclude_zero(estimates, [look.level for look in looks])
    raw = _p([est if excludes else None for est, excludes in zip(estimates, shown)])
    p = [
        look.repeated(float(own)) if excludes else _p_of_nothing(est)
        for est, excludes, own, look in zip(estimates, shown, raw, looks)
    ]
    corrected = benjamini_hochberg(p)
    # Of the others it matters whether they are equivalent; an estimate that is called is not asked.
    asked = [None if of_family < SIGNIFICANCE else est for est, of_family in zip(estimates, corrected)]
    of_equivalence = p_of_equivalence(asked, margin)
    return [
        'missing' if est is None else verdict(est, float(of_family), _at_look(float(equal), look))
        for est, of_family, equal, look in zip(estimates, corrected, of_equivalence, looks)
    ]


def intervals_at(estimates: Sequence[Estimate | None], at: Sequence[Look]) -> np.ndarray:
    """The intervals of many estimates, each at its look, uncut, (N, 2); NaN for None."""
    return intervals(estimates, np.array([look.level for look in at]))


def of_these_checkpoints(est: Estimate | None) -> Estimate | None:
    """The same value where other images are asked about, and other trainings are not: also a single seed decides."""
    return None if est is None else est.of_these_checkpoints._replace(n_seeds=max(est.n_seeds, 2))


def of_these_checkpoints_if_one(est: Estimate | None) -> Estimate | None:
    """An estimate as it is, or, with a single seed, of the networks that were trained: it tells of no others."""
    return est if est is None or est.seeds_covered else of_these_checkpoints(est)


def _exclude_zero(estimates: Sequence[Estimate | None], levels: Sequence[float]) -> np.ndarray:
    """Whether the interval of each estimate, at its level, leaves out zero; False with a single seed, and for None."""
    excludes = np.zeros(len(estimates), bool)
    for rows, est in alike(estimates):
        if est.seeds_covered:
            excludes[rows] = falls_short(est, np.abs(est.value), np.asarray(levels)[rows])
    return excludes


def _at_look(p_equivalence: float, look: Look) -> float:
    return p_equivalence if len(look.looks) == 1 else look.repeated_one_sided(p_equivalence)


def _p_of_nothing(est: Estimate | None) -> float:
    return _NAN if est is None or not est.seeds_covered or est.undefined else 1.0


def _p(estimates: Sequence[Estimate | None]) -> np.ndarray:
    """p of each estimate, (N,); NaN with a single seed, and for None."""
    return p_values([est if est is not None and est.seeds_covered else None for est in estimates])


def _finding(
    est: Estimate | None, p: float, p_corrected: float, equivalence: float, learned: bool, width: float, look: Look
) -> Finding:
    if est is None:
        return Finding(_NAN, _NAN, _NAN, _NAN, _NAN, 'missing', 0)
    low, high = interval(est, look.level, (-width, width))
    called = verdict(est, p_corrected, equivalence) if learned else 'not learned'
    return Finding(float(est.value), float(low), float(high), p, p_corrected, called, est.n_seeds)
