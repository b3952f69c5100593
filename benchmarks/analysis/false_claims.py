"""The chance that a claim is false: a lower bound, at even odds.

A p of 0.05 does not say that 5 % of such claims are false. If half of all comparisons have no effect, the claims with
``t = distance / standard error`` are false with the chance ``B / (1 + B)``, where B says how much more often no effect
gives this t than the effects of the other half do. No effects whatever make B smaller than

    difference     B = 2 (1 + t^2 / f)^(-(f + 1) / 2)      distance from 0; of gains and losses together
    equivalence    B = 1/2 (1 + t^2 / f)^(-(f + 1) / 2)    distance from the margin; false is a difference of just that

with f degrees of freedom. With many of them, at p = 0.05, 0.01, 0.001 at least 22.7, 6.8, 0.9 % of the claims of a
difference are false, and 11.4, 3.2, 0.4 % of those of equivalence. The odds are those of a single comparison, so
nothing is corrected for their number. They stand for what one believes beforehand: where fewer techniques have an
effect, more of the claims that one has are false.

Why: with s the estimated standard error over the true one, the density of t at a true effect of d standard errors is
``E[s φ(t s - d)]``. For any d that is at most ``E[s φ(0)]``, and without effect it is ``E[s φ(t s)]``; with s^2 a χ² of
f degrees over f, their ratio is the power above. Without effect a t of either sign is as frequent, with an effect
one sign is, hence the 2 for gains and losses together (right to 0.1 % of B where p < 0.05). Equivalence is the other
way round: a difference of just the margin is seen near one end of the margin, and no difference as near to both, hence
the 1/2. A rule that stops when it has seen enough leaves the ratio as it is, so a sequential design needs no other
bound.

The variances of :mod:`benchmarks.analysis.resampling` add, and their degrees of freedom do as Satterthwaite has it. The
p of that module errs towards no claim where two parts are alike, and a t of few degrees of freedom shows more than its
p says. So a calibration of p alone, such as ``-e p ln p``, would be no lower bound: with three seeds it may exceed the
share of false claims severalfold.

References: Edwards, Lindman and Savage 1963, "Bayesian statistical inference for psychological research"; Sellke,
Bayarri and Berger 2001, "Calibration of p values for testing precise null hypotheses"; Held and Ott 2018, "On p-values
and Bayes factors".
"""

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.analysis.resampling import Estimate, variances_of

_NAN = float('nan')


def false_claim_chance(verdict: str, est: Estimate, margin: float) -> float:
    """The least chance that a verdict claims what is not so, 0 to 0.5; NaN for a verdict that claims nothing.

    Args:
        verdict: The verdict on ``est``.
        est: The difference.
        margin: Equivalence margin in its unit.
    """
    if verdict in ('gain', 'loss'):
        return float(chance_of_false_difference(*t_of(est, abs(est.value))))
    if verdict == 'equivalent':
        return float(chance_of_false_equivalence(*t_of(est, margin - abs(est.value))))
    return _NAN


def chance_of_false_difference(t: ArrayLike, freedom: ArrayLike) -> np.ndarray:
    """The least share of false ones among gains and losses, 0 to 0.5."""
    return _share(2 * _likelihood_ratio(t, freedom))


def chance_of_false_equivalence(t: ArrayLike, freedom: ArrayLike) -> np.ndarray:
    """The least share of false ones among claims that a difference is smaller than the margin, 0 to 1/3."""
    return _share(_likelihood_ratio(t, freedom) / 2)


def t_of(est: Estimate, distance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """A distance in standard errors, and their degrees of freedom; infinity where nothing varies."""
    parts = variances_of(est)
    total = np.asarray(sum(variance for variance, _ in parts))
    with np.errstate(divide='ignore', invalid='ignore'):
        freedom = total**2 / sum(variance**2 / freedom for variance, freedom in parts)
        return np.asarray(distance) / np.sqrt(total), np.where(total == 0, 1.0, freedom)


def _likelihood_ratio(t: ArrayLike, freedom: ArrayLike) -> np.ndarray:
    freedom = np.asarray(freedom, float)
    return np.exp(-(freedom + 1) / 2 * np.log1p(np.asarray(t, float) ** 2 / freedom))


def _share(bayes_factor: np.ndarray) -> np.ndarray:
    least = np.minimum(bayes_factor, 1.0)  # even odds at worst: effects that show as little as none
    return least / (1 + least)
