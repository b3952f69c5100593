"""Joint draws of the scores of many stacks, for what is no sum of them: which is best, which lie on a front.

A draw is a value that the true scores of all stacks might have. For S seeds and G image groups, with ``theta`` (C,) the
scores of C stacks, ``theta_(g)`` those without group g and ``theta_s`` those of seed s,

    draw = theta + t_G* sqrt((G - 1) / G) sum_g z_g (theta_(g) - mean theta_(g))
                 + t_S  sum_s y_s (theta_s - theta) / sqrt(S (S - 1))

with standard normal z and y. The covariance is that of the two-way jackknife (:mod:`benchmarks.analysis.resampling`),
so that stacks with the same images and seeds move together. The factors ``t_v = sqrt(v / chi2_v)`` with
``v = G* - 1`` and ``v = S - 1`` give each part the t tails that its variance deserves: with two seeds hardly anything
is ruled out. The difference of two stacks then has the Behrens–Fisher distribution. With one seed the draws speak of
other images alone.

With F folds the part of the groups is taken from the scores without a fold instead, enlarged as in
:mod:`benchmarks.analysis.folds`, with ``v = F - 1``: it holds the groups, too.

Reference: Box and Tiao 1973, "Bayesian Inference in Statistical Analysis", chapter 2 (Behrens–Fisher).
"""
# C stacks, S seeds, G image groups, F folds, B draws

from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.folds import enlargement

# Of a latency without a noise of its own: medians of one network differ by so much from process to process.
UNKNOWN_NOISE = 0.1
_HALF_WIDTHS = 1.96 * 2**0.5  # standard deviations of one value in the 95 % half width of a difference of two


def score_draws(contrasts: Contrasts, stacks: Sequence[str], number: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of the scores of ``stacks``, (B, C).

    Args:
        contrasts: The score.
        stacks: Stacks with at least one seed in which all are ok.
        number: B.
        rng: The source of randomness.

    Returns:
        np.ndarray: All NaN where fewer than two image groups have a score.
    """
    seeds = contrasts.shared_seeds(stacks)
    cells = [contrasts.of(stack, seeds) for stack in stacks]
    full = np.array([of_stack.full for of_stack in cells])  # (C, S)
    sizes = np.concatenate([of_stack.sizes for of_stack in cells]).mean(axis=0)
    without = np.array([of_stack.without[:, sizes > 0].mean(axis=0) for of_stack in cells])  # (C, G)
    n_seeds, n_groups = full.shape[1], without.shape[1]
    if n_groups < 2:
        return np.full((number, len(stacks)), np.nan)
    by_group = (without - without.mean(axis=1, keepdims=True)) * np.sqrt((n_groups - 1) / n_groups)
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    freedom = max(effective - 1, 1)
    without_fold = np.array([of_stack.without_fold.mean(axis=0) for of_stack in cells])  # (C, F)
    if n_folds := without_fold.shape[1]:
        deviations = without_fold - without_fold.mean(axis=1, keepdims=True)
        by_group, freedom = deviations * np.sqrt(enlargement(n_folds) * (n_folds - 1) / n_folds), n_folds - 1
    draws = full.mean(axis=1) + _part(by_group, freedom, number, rng)
    if n_seeds > 1:
        by_seed = (full - full.mean(axis=1, keepdims=True)) / np.sqrt(n_seeds * (n_seeds - 1))
        draws = draws + _part(by_seed, n_seeds - 1, number, rng)
    return draws


def latency_draws(
    latency_ms: Sequence[float],
    noise: Sequence[float],
    measurement: Sequence[str],
    number: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws of latencies, (B, C), ms.

    Args:
        latency_ms: Measured latencies, (C,).
        noise: The relative difference below which two latencies count as equal, (C,): taken as the half width of a 95 %
            interval of the difference of two logarithms. NaN counts as ``UNKNOWN_NOISE``.
        measurement: Stacks with the same text share one measurement and its error, (C,).
        number: B.
        rng: The source of randomness.
    """
    spread = np.nan_to_num(np.asarray(noise, float), nan=UNKNOWN_NOISE) / _HALF_WIDTHS
    place = np.unique(np.asarray(measurement), return_inverse=True)[1]
    errors = rng.standard_normal((number, int(place.max()) + 1))[:, place]
    return np.asarray(latency_ms, float) * np.exp(errors * spread)


def _part(deviations: np.ndarray, freedom: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Errors of all stacks from one source of variance, (B, C), from deviations (C, units)."""
    normal = rng.standard_normal((number, deviations.shape[1])) @ deviations.T
    return normal * np.sqrt(freedom / rng.chisquare(freedom, (number, 1)))
