"""Which gains a number of seeds can show, and how many seeds a gain needs, from what an earlier run shows to vary.

A grid of T trainings is drawn many times: each training has a seed effect of its own, all have one in common, and the
test images add an error that no number of seeds makes smaller. One pair of rows differs by the gain, all others by
nothing. The grid's own method judges each draw (:mod:`benchmarks.analysis.moderation`), so what few seeds can borrow,
and the growth of the prior with the difference, are in the answer. The power is the part of the draws in which the pair
is called with the right sign, at a level of 5 % over the number of pairs that are corrected together: the first step of
Holm's procedure, so it is rather too low than too high.

The components are those of a typical pair of the earlier run; a pair that varies more needs more seeds. Pairs that
share a training vary otherwise, and are left out where there are others.

Reference: Cohen 1988, "Statistical Power Analysis", for the usual 80 %.
"""
# R draws, T trainings, S seeds

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.differences import SeedScores
from benchmarks.analysis.moderation import between_trainings
from benchmarks.analysis.more_seeds import SIGNIFICANCE
from benchmarks.analysis.resampling import Estimate, estimate, half_width
from benchmarks.analysis.two_variances import TwoVariances

POWER = 0.8
MOST_SEEDS = 30
_DRAWS, _STEPS, _LARGEST = 1500, 14, 100.0
_MOST = 15.0  # times the median, which the variance of a pair counts at most: a row that fails is not typical


class Components(NamedTuple):
    """What varies in the difference of a typical pair of rows.

    Attributes:
        seeds: Variance over seeds of the difference, points².
        groups: Variance of the difference due to the choice of image groups, which seeds do not lessen, points².
        interaction: Variance of the difference of one seed due to what a group and a seed have together, points². It is
            part of ``seeds``, and the jackknife over groups counts it again.
        effective_groups: G*.
        pairs: From how many pairs this is known.
        n_seeds: With how many seeds each.
    """

    seeds: float
    groups: float
    interaction: float
    effective_groups: float
    pairs: int
    n_seeds: int


class Design(NamedTuple):
    """What of a grid decides its power.

    Attributes:
        trainings: T.
        pairs: How many pairs are corrected together.
        level: The error of them all; that of a look where there are looks.
    """

    trainings: int
    pairs: int
    level: float = SIGNIFICANCE


def components(differences: Sequence[SeedScores]) -> Components | None:
    """The components of a typical pair; None without a difference of two seeds and two groups of images.

    Args:
        differences: The difference of each pair for each seed.
    """
    known = [one for one in differences if len(one.full) > 1 and np.isfinite(_of_groups(one))]
    if not known:
        return None
    n_seeds = int(np.median([len(one.full) for one in known]))
    alike = [one._replace(full=one.full[:n_seeds], without=one.without[:n_seeds]) for one in known]
    alike = [one for one in alike if len(one.full) == n_seeds]
    of_seeds = np.array([one.full.var(ddof=1) for one in alike])
    of_groups = np.array([_of_groups(one) for one in alike])
    of_one_seed = np.array(
        [np.mean([_of_groups(one, slice(seed, seed + 1)) for seed in range(n_seeds)]) for one in alike]
    )
    interaction = max(_mean(of_one_seed) - _mean(of_groups), 0.0) * n_seeds / (n_seeds - 1)
    return Components(
        _mean(of_seeds),
        max(_mean(of_groups) - interaction / n_seeds, 0.0),
        interaction,
        float(np.median([estimate(*one).effective_groups for one in alike])),
        len(alike),
        n_seeds,
    )


def _mean(variances: np.ndarray) -> float:
    return float(np.minimum(variances, _MOST * np.median(variances)).mean())


def _of_groups(difference: SeedScores, seeds: slice = slice(None)) -> float:
    """Variance of the mean difference of some seeds due to the choice of groups."""
    return float(estimate(difference.full[seeds], difference.without[seeds], difference.sizes).variance_groups)


def power(gain: float, known: Components, n_seeds: int, design: Design, seed: int = 0) -> float:
    """The chance that a gain of a pair is called a gain.

    Args:
        gain: The true difference, points.
        known: What varies.
        n_seeds: S, at least two.
        design: The grid.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    trainings = max(design.trainings, 2)
    levels = np.sqrt(known.seeds / 2) * rng.normal(size=(_DRAWS, trainings, n_seeds))
    levels[:, 1] += gain
    of_groups = np.sqrt(known.groups) * rng.normal(size=(_DRAWS, 1))
    freedom = max(known.effective_groups - 1, 1.0)
    groups = (known.groups + known.interaction / n_seeds) * rng.chisquare(freedom, (_DRAWS, 1)) / freedom
    deltas = levels[:, 1:2] - levels[:, :1]
    value = deltas.mean(axis=-1) + of_groups
    moderated = between_trainings(levels, np.array([1]), np.array([0]), deltas.var(axis=-1, ddof=1))
    level = design.level / max(design.pairs, 1)
    if moderated.borrowed:
        error = TwoVariances(moderated.variance, moderated.degrees_of_freedom, groups, freedom)
        called = error.p_value(value) < level
    else:
        est = Estimate(value, groups, moderated.variance, np.full(value.shape, freedom + 1), n_seeds)
        called = np.abs(value) > half_width(est, level)
    return float((called & (value > 0)).mean())


def smallest_gain(known: Components, n_seeds: int, design: Design) -> float | None:
    """The smallest gain that is called with a chance of 80 %, points; None above 100."""
    low, high = 0.0, _LARGEST
    if power(high, known, n_seeds, design) < POWER:
        return None
    # From large to small: the power of a very large gain may be lower, but not that of a smaller step.
    for _ in range(_STEPS):
        middle = np.sqrt(low * high) if low else high / 4
        low, high = (low, middle) if power(middle, known, n_seeds, design) >= POWER else (middle, high)
        if low and high / low < 1.02:
            break
    return float(np.sqrt(low * high) if low else high)


def seeds_needed(gain: float, known: Components, design: Design) -> int | None:
    """The least number of seeds with which a gain is called with a chance of 80 %; None above 30.

    A gain that no number of seeds shows needs more test images in new groups.
    """
    low, high = 2, MOST_SEEDS
    if power(gain, known, high, design) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(gain, known, middle, design) >= POWER else (middle + 1, high)
    return low
