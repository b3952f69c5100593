"""Seed variances that borrow strength across the comparisons of a grid.

With S seeds the variance of a paired difference has S - 1 degrees of freedom, for two seeds a single one: the interval
is honest and useless. The comparisons of a grid resemble each other, so their variances tell of one another. As in
limma, a comparison's own variance ``s2`` is drawn towards a prior ``s0^2`` that weighs as much as ``d0`` degrees of
freedom:

    V = (d0 s0^2 g + nu s2) / (d0 + nu) / S,    nu = S - 1,    with d0 + nu degrees of freedom

Three things differ from limma, each of which keeps the false calls within bounds:

* The prior comes from the trainings' residuals about a common seed effect, not from the differences: all differences
  hold the reference's seeds, and if these agree by chance, the prior is too small for all of them at once.
* The common seed effect weighs each training by its precision: a training that varies much does not widen all others.
* The prior grows with the distance ``g`` of a training from the median one. What changes a score much also changes
  it more variably, and a training that is far off by chance gets a larger prior.

``d0`` is small and capped. With fewer than twenty trainings (or comparisons), it is not estimated but derived from
their number, and with two seeds it is zero then: nothing is borrowed. The worlds in which this was tried, and the
errors there, are in tests/benchmarks/analysis/test_moderation.py.

References: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression" (limma);
Sartor et al. 2006, "Intensity-based hierarchical Bayes method" (a prior that follows a trend).
"""
# T trainings, M comparisons or other sums of stacks, S seeds; leading axes (…) are repetitions of a whole grid

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from benchmarks.analysis.families import BORROWED_FROM

MANY = BORROWED_FROM  # from which on the prior's weight is estimated
CAP_TRAININGS = 4.0
CAP_SHARED = 2.0
_LEAST = 0.5
_TINY = 1e-12


class SeedVariance(NamedTuple):
    """Variance of mean differences due to the choice of seeds.

    Attributes:
        variance: (…, M).
        degrees_of_freedom: (…, 1).
        borrowed: Whether a prior entered.
    """

    variance: np.ndarray
    degrees_of_freedom: np.ndarray
    borrowed: bool


class MoreSeeds(NamedTuple):
    """What trainings show in all of their seeds, where these are more than the S that are compared.

    Attributes:
        variance: (…, T), variance of each training's score over all of its seeds, divided by their number less one.
        freedom: (T,), the number of these seeds less one; 0 for a training without further seeds.
    """

    variance: np.ndarray
    freedom: np.ndarray


class TrainingPrior(NamedTuple):
    """What the trainings of a grid tell of the seed variance of any of them.

    Attributes:
        parts: (…, T), the prior of each training's seed variance.
        excess: (…, T), by how heavy a tail a sum of priors exceeds the sum: the power of the number of its addends.
        weight: (…, 1), degrees of freedom of the prior.
    """

    parts: np.ndarray
    excess: np.ndarray
    weight: np.ndarray

    def among(self, rows: Sequence[int]) -> 'TrainingPrior':
        """The same of some trainings, for sums in which no others have a weight."""
        return self._replace(parts=self.parts[..., rows], excess=self.excess[..., rows])

    def of(self, squares: np.ndarray) -> np.ndarray:
        """The prior of the seed variance of weighted sums of trainings, (…, M).

        The trainings' residuals are independent, so the variance of ``sum_t w_t y_t`` is ``sum_t w_t^2 var_t``. Where
        the variances themselves are drawn from a heavy-tailed prior, the sum of n of them exceeds n of its scales by
        the factor ``n^(2 / d0 - 1)`` (the stable law of index d0 / 2), with ``n = (sum w^2)^2 / sum w^4``.

        Args:
            squares: (M, T), the squared weight of each training; weights sum to 0, so that the common effect cancels.
        """
        number = squares.sum(axis=-1) ** 2 / np.maximum((squares**2).sum(axis=-1), _TINY)  # (M,)
        each = self.parts[..., None, :] * number[:, None] ** self.excess[..., None, :]
        return (squares * each).sum(axis=-1)


class DifferencePrior(NamedTuple):
    """What the differences within one training, those of a grid, tell of the seed variance of any of them.

    Attributes:
        scale: (…, 1), the prior of the seed variance of a small difference.
        floor: (…, 1), the size from which on a difference is no small one.
        weight: (…, 1), degrees of freedom of the prior.
    """

    scale: np.ndarray
    floor: np.ndarray
    weight: np.ndarray

    def of(self, deltas: np.ndarray) -> np.ndarray:
        """The prior of the seed variance of mean differences, (…, M)."""
        return self.scale * np.maximum(np.abs(deltas) / self.floor, 1.0)


def own(variances: np.ndarray, n_seeds: int) -> SeedVariance:
    """Each comparison by itself.

    Args:
        variances: (…, M), variance over seeds of each paired difference, divided by S - 1.
        n_seeds: S, at least two.
    """
    freedom = np.full((*variances.shape[:-1], 1), n_seeds - 1.0)
    return SeedVariance(variances / n_seeds, freedom, borrowed=False)


def drawn(variances: np.ndarray, prior: np.ndarray, weight: np.ndarray, n_seeds: int) -> SeedVariance:
    """Own variances (…, M), drawn towards a prior (…, M) of so much weight (…, 1)."""
    nu = n_seeds - 1
    return SeedVariance((weight * prior + nu * variances) / (weight + nu) / n_seeds, weight + nu, borrowed=True)


def prior_of_trainings(trainings: np.ndarray, more: MoreSeeds | None = None) -> TrainingPrior | None:
    """The prior of the seed variance of each training.

    A training with further seeds, such as a baseline that has more than the others, shows its own variance in all of
    them, and the prior of its comparisons follows that. The common seed effect is part of it: the prior is rather too
    large than too small.

    Args:
        trainings: (…, T, S), the score of each distinct training for each seed.
        more: What trainings show in further seeds; None for no further seeds.

    Returns:
        TrainingPrior | None: None with at most three trainings, or with two seeds and fewer than twenty.
    """
    n_trainings, n_seeds = trainings.shape[-2:]
    nu = n_seeds - 1
    if n_trainings <= 3 or (n_trainings < MANY and n_seeds < 3):
        return None
    few = min(2.0, (n_trainings - 2) * nu / 4)
    residual = _residual_variances(trainings, nu, max(few, 1.0))
    growth = _growth(trainings.mean(axis=-1), residual, n_seeds)
    weight = _weight(residual / growth, nu, few, n_trainings, CAP_TRAININGS)
    parts = prior_scale(residual / growth, nu, weight) * growth
    excess = np.broadcast_to(np.maximum(0.0, 2 / weight - 1) if n_trainings >= MANY else 0.0, parts.shape)
    if more is not None:
        known = (weight * parts + more.freedom * more.variance) / (weight + more.freedom)
        parts = np.where(more.freedom > 0, known, parts)
        excess = np.where(more.freedom > 0, 0.0, excess)
    return TrainingPrior(parts, excess, weight)


def prior_of_differences(deltas: np.ndarray, variances: np.ndarray, n_seeds: int) -> DifferencePrior | None:
    """The prior of the seed variance of differences whose two stacks share their training.

    Args:
        deltas: (…, M), mean differences.
        variances: (…, M), variance over seeds of the paired difference, divided by S - 1.
        n_seeds: S, at least two.

    Returns:
        DifferencePrior | None: None with fewer than four, or with two seeds and fewer than twenty.
    """
    n_comparisons, nu = deltas.shape[-1], n_seeds - 1
    if n_comparisons < 4 or (n_comparisons < MANY and n_seeds < 3):
        return None
    floor = np.sqrt(np.median(np.maximum(variances, _TINY), axis=-1, keepdims=True) / n_seeds)
    growth = np.maximum(np.abs(deltas) / floor, 1.0)
    few = min(1.0, (n_comparisons - 1) * nu / 4)
    weight = _weight(variances / growth, nu, few, n_comparisons, CAP_SHARED)
    return DifferencePrior(prior_scale(variances / growth, nu, weight), floor, weight)


def between_trainings(
    trainings: np.ndarray,
    stacks: np.ndarray,
    references: np.ndarray,
    variances: np.ndarray,
    more: MoreSeeds | None = None,
) -> SeedVariance:
    """Moderated variances of comparisons of two trainings.

    Args:
        trainings: (…, T, S), the score of each distinct training for each seed.
        stacks: int (M,), index of the training of each comparison's stack.
        references: int (M,), index of the training of its reference.
        variances: (…, M), variance over seeds of the paired difference, divided by S - 1.
        more: What trainings show in further seeds; None for no further seeds.

    Returns:
        SeedVariance: The comparisons' own where :func:`prior_of_trainings` is None.
    """
    n_trainings, n_seeds = trainings.shape[-2:]
    prior = prior_of_trainings(trainings, more)
    if prior is None:
        return own(variances, n_seeds)
    squares = np.zeros((len(stacks), n_trainings))
    for sides in (stacks, references):
        np.add.at(squares, (np.arange(len(stacks)), sides), 1.0)
    return drawn(variances, prior.of(squares), prior.weight, n_seeds)


def within_trainings(deltas: np.ndarray, variances: np.ndarray, n_seeds: int) -> SeedVariance:
    """Moderated variances of comparisons whose two stacks share their training.

    Args: as :func:`prior_of_differences`.

    Returns:
        SeedVariance: The comparisons' own where that is None.
    """
    prior = prior_of_differences(deltas, variances, n_seeds)
    return own(variances, n_seeds) if prior is None else drawn(variances, prior.of(deltas), prior.weight, n_seeds)


def prior_scale(variances: np.ndarray, nu: float, weight: np.ndarray | float) -> np.ndarray:
    """Scale ``s0^2`` at which the variances are most likely under ``s0^2 F(nu, weight)``, (…, 1).

    It solves ``mean((nu + weight) v / (weight s0^2 + nu v)) = 1`` by fixed-point iteration.
    """
    scale = np.median(variances, axis=-1, keepdims=True) + _TINY
    for _ in range(60):
        ratio = (nu + weight) * variances / (weight * scale + nu * variances + _TINY)
        scale = scale * np.clip(ratio.mean(axis=-1, keepdims=True), 0.2, 5.0)
    return scale


def prior_weight(variances: np.ndarray, nu: float) -> np.ndarray:
    """Limma's moment estimate of the prior's degrees of freedom, (…, 1); infinite where variances differ by chance."""
    logs = np.log(np.maximum(variances, _TINY)) - special.digamma(nu / 2) + np.log(nu / 2)
    excess = logs.var(axis=-1, ddof=1, keepdims=True) - special.polygamma(1, nu / 2)
    return np.where(excess > 1e-3, 2 * _inverse_trigamma(np.maximum(excess, 1e-3)), np.inf)


def _weight(variances: np.ndarray, nu: int, few: float, count: int, cap: float) -> np.ndarray:
    if count < MANY:
        return np.full((*variances.shape[:-1], 1), few)
    return np.clip(prior_weight(variances, nu), _LEAST, cap)


def _residual_variances(trainings: np.ndarray, nu: int, weight: float) -> np.ndarray:
    """Variance of each training about the seed effect that all have in common, (…, T)."""
    centred = trainings - trainings.mean(axis=-1, keepdims=True)
    precision = np.ones(trainings.shape[:-1])
    residual = precision
    for _ in range(8):
        total = precision.sum(axis=-1, keepdims=True)
        common = (precision[..., None] * centred).sum(axis=-2, keepdims=True) / total[..., None]
        # A training that makes up most of the common effect has little residual left: the divisor makes up for that.
        left = np.maximum(1 - precision / total, 0.05)
        residual = ((centred - common) ** 2).sum(axis=-1) / (nu * left)
        scale = prior_scale(residual, nu, weight)
        precision = (weight + nu) / (weight * scale + nu * residual + _TINY)
    return residual


def _growth(means: np.ndarray, residual: np.ndarray, n_seeds: int) -> np.ndarray:
    """Distance of each training from the median one, in units of its noise, at least 1, (…, T)."""
    distance = np.abs(means - np.median(means, axis=-1, keepdims=True))
    floor = np.sqrt(2 * np.median(residual, axis=-1, keepdims=True) / n_seeds) + 1e-9
    return np.maximum(distance / floor, 1.0)


def _inverse_trigamma(value: np.ndarray) -> np.ndarray:
    """Newton's method on 1 / trigamma, as in limma, which converges from this start for every positive value."""
    root = 0.5 + 1 / value
    for _ in range(40):
        trigamma = special.polygamma(1, root)
        root = root + trigamma * (1 - trigamma / value) / special.polygamma(2, root)
    return root
