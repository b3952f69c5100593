"""Which gains a number of seeds can show, and how many seeds a gain needs, from what an earlier run shows to vary.

A grid of T trainings is drawn many times: each training has a seed effect of its own, all have one in common, and the
test images add an error that no number of seeds makes smaller. One pair of rows differs by the gain, all others by
nothing. The grid's own method judges each draw (:mod:`benchmarks.analysis.moderation`), so what few seeds can borrow,
and the growth of the prior with the difference, are in the answer. The power is the part of the draws in which the pair
is called with the right sign, at a level of 5 % over the number of pairs that are corrected together: the first step of
Holm's procedure, so it is rather too low than too high.

The components are those of a typical pair of the earlier run; a pair that varies more needs more seeds. Pairs that
share a training vary otherwise, and are left out where there are others. Few pairs know the components only roughly;
how roughly is seen when as many pairs are drawn from them again and again (:func:`resampled`). Pairs that share a row
vary together, which that does not see.

**Folds.** With F folds, G groups and S seeds, let the difference of a seed in a group be ``A_g + B_f + C_sf + E_sg``,
with the fold f in which the group is tested, and let ``a, b, c, e`` be the variances of the means of A over groups, B
over folds, and C and E of one seed. The formulas of :mod:`benchmarks.analysis.folds` then see, on average,

    variance over seeds    c + e
    V_J                    a + b + (c + e) / S
    V_groups               a + e / S + (b + c / S) (F - 1) / (G - 1)

which the earlier run, with the same folds, turns into a, b, c and e. A draw has a V_J of F - 1 degrees of freedom, and
a V_groups that holds it and a part within folds of G - F.

Reference: Cohen 1988, "Statistical Power Analysis", for the usual 80 %.
"""
# R draws, T trainings, S seeds

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.cell_scores import SeedScores
from benchmarks.analysis.folds import enlargement
from benchmarks.analysis.moderation import between_trainings
from benchmarks.analysis.more_seeds import SIGNIFICANCE
from benchmarks.analysis.resampling import Estimate, estimate, half_width
from benchmarks.analysis.two_variances import TwoVariances

POWER = 0.8
MOST_SEEDS = 30
_DRAWS, _STEPS, _LARGEST = 1500, 14, 100.0
_RESAMPLES = 400
_MOST = 15.0  # times the median, which the variance of a pair counts at most: a row that fails is not typical


class Components(NamedTuple):
    """What varies in the difference of a typical pair of rows.

    Attributes:
        seeds: Variance over seeds of the difference, points².
        groups: Variance of the difference due to the choice of image groups, which seeds do not lessen, points²: a.
        interaction: Variance of the difference of one seed due to what a group and a seed have together, points²: e. It
            is part of ``seeds``, and the jackknife over groups counts it again.
        effective_groups: G*.
        pairs: From how many pairs this is known.
        n_seeds: With how many seeds each, at least.
        most_seeds: With how many seeds each, at most.
        folds: Variance of the difference due to the training sets of the folds, which seeds do not lessen, points²: b.
        n_folds: F; 1 without folds.
    """

    seeds: float
    groups: float
    interaction: float
    effective_groups: float
    pairs: int
    n_seeds: int
    most_seeds: int
    folds: float = 0.0
    n_folds: int = 1


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


class _Pair(NamedTuple):
    """What the difference of one pair shows to vary: the means of the formulas above, each with its own S.

    Attributes:
        n_seeds: S.
        seeds: The variance over seeds.
        groups: V_groups.
        one_seed: V_groups of one seed, the mean over seeds.
        effective_groups: G*.
        n_folds: F; 0 without folds.
        folds: V_J; NaN without folds.
    """

    n_seeds: int
    seeds: float
    groups: float
    one_seed: float
    effective_groups: float
    n_folds: int
    folds: float


def components(differences: Sequence[SeedScores]) -> Components | None:
    """The components of a typical pair; None without a difference of two seeds and two groups of images.

    Args:
        differences: The difference of each pair for each seed.
    """
    pairs = _pairs(differences)
    return _pooled(pairs) if pairs else None


def resampled(differences: Sequence[SeedScores], seed: int = 0) -> list[Components]:
    """The components of as many pairs drawn with replacement, which show how well the pairs know them.

    Args:
        differences: The difference of each pair for each seed.
        seed: Of the draws.
    """
    pairs, rng = _pairs(differences), np.random.default_rng(seed)
    if not pairs:
        return []
    return [_pooled([pairs[n] for n in rng.integers(len(pairs), size=len(pairs))]) for _ in range(_RESAMPLES)]


def range_of_smallest_gain(
    found: Sequence[Components], n_seeds: int, design: Design
) -> tuple[float | None, float | None]:
    """The smallest gains by components near the lower and the upper end of their middle 80 %; None above 100 points.

    Args:
        found: Components from :func:`resampled`.
        n_seeds: S, at least two.
        design: The grid.
    """
    ordered = sorted(found, key=lambda known: known.groups + known.folds + known.seeds / n_seeds)
    low, high = (smallest_gain(ordered[round(at * (len(ordered) - 1))], n_seeds, design) for at in (0.1, 0.9))
    return low, high


def _pairs(differences: Sequence[SeedScores]) -> list[_Pair]:
    """What each pair of two seeds and two groups of images shows to vary."""
    known = [one for one in differences if len(one.full) > 1 and np.isfinite(_of_groups(one))]
    return [
        _Pair(
            len(one.full),
            float(one.full.var(ddof=1)),
            _of_groups(one),
            float(np.mean([_of_groups(one, slice(seed, seed + 1)) for seed in range(len(one.full))])),
            float(estimate(*one).effective_groups),
            one.without_fold.shape[-1],
            _fold_jackknife(one) if one.without_fold.shape[-1] else float('nan'),
        )
        for one in known
    ]


def _pooled(pairs: Sequence[_Pair]) -> Components:
    """The components of a typical pair; what varies over seeds is weighed by its S - 1 degrees of freedom."""
    n_seeds, seeds, groups, one_seed, effective, n_folds, folds = (np.array(column) for column in zip(*pairs))
    of_seeds, of_groups, of_one_seed = _capped(seeds), _capped(groups), _capped(one_seed)
    freedom = n_seeds - 1
    interaction = max(float(((of_one_seed - of_groups) * n_seeds).sum() / freedom.sum()), 0.0)
    typical = 1 / float((1 / n_seeds).mean())  # V_groups and V_J hold parts over S
    plain = Components(
        float((of_seeds * freedom).sum() / freedom.sum()),
        max(float(of_groups.mean()) - interaction / typical, 0.0),
        interaction,
        float(np.median(effective)),
        len(pairs),
        int(n_seeds.min()),
        int(n_seeds.max()),
    )
    if not n_folds[0]:
        return plain
    return _of_folds(plain, typical, float(of_groups.mean()), float(_capped(folds).mean()), int(n_folds[0]))


def _fold_jackknife(difference: SeedScores) -> float:
    """V_J of the mean difference."""
    means = difference.without_fold.mean(axis=0)
    return float((len(means) - 1) * np.var(means))


def _of_folds(plain: Components, n_seeds: float, of_groups: float, of_folds: float, n_folds: int) -> Components:
    """The components with folds, from those that would be seen without.

    Args:
        plain: Its ``interaction`` is e + c (F - 1) / (G - 1).
        n_seeds: S, the harmonic mean of that of the pairs.
        of_groups: V_groups.
        of_folds: V_J.
        n_folds: F.
    """
    n_groups = plain.effective_groups
    if n_groups <= n_folds:  # one group in a fold: nobody can tell a, b and c apart, and V_J counts them all
        return plain._replace(n_folds=n_folds)
    within = (n_groups - n_folds) / (n_groups - 1)
    of_training = float(np.clip((plain.seeds - plain.interaction) / within, 0.0, plain.seeds))  # c
    both = max(of_folds - of_groups, 0.0) / within  # b + c / S
    interaction = plain.seeds - of_training
    groups = of_groups - interaction / n_seeds - both * (1 - within)
    return plain._replace(
        groups=max(groups, 0.0), interaction=interaction, folds=max(both - of_training / n_seeds, 0.0), n_folds=n_folds
    )


def _capped(variances: np.ndarray) -> np.ndarray:
    return np.minimum(variances, _MOST * np.median(variances))


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
    of_images = np.sqrt(known.groups + known.folds) * rng.normal(size=(_DRAWS, 1))
    freedom = max(known.effective_groups - 1, 1.0)
    groups, folds = _seen(known, n_seeds, rng)
    deltas = levels[:, 1:2] - levels[:, :1]
    value = deltas.mean(axis=-1) + of_images
    moderated = between_trainings(levels, np.array([1]), np.array([0]), deltas.var(axis=-1, ddof=1))
    level = design.level / max(design.pairs, 1)
    if moderated.borrowed and known.n_folds == 1:
        error = TwoVariances(moderated.variance, moderated.degrees_of_freedom, groups, freedom)
        called = error.p_value(value) < level
    else:
        est = Estimate(value, groups, moderated.variance, np.full(value.shape, freedom + 1), n_seeds)
        if known.n_folds > 1:
            more = moderated.degrees_of_freedom - (n_seeds - 1)
            est = est._replace(variance_folds=folds, n_folds=known.n_folds, prior_freedom=more)
        called = np.abs(value) > half_width(est, level)
    return float((called & (value > 0)).mean())


def _seen(known: Components, n_seeds: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | float]:
    """V_groups and V_folds as grids see them, (R, 1) each; the latter is 0 without folds."""
    groups = known.groups + known.interaction / n_seeds
    freedom = max(known.effective_groups - 1, 1.0)
    if known.n_folds == 1:
        return groups * rng.chisquare(freedom, (_DRAWS, 1)) / freedom, 0.0
    between = known.n_folds - 1
    of_folds = known.groups + known.folds + known.seeds / n_seeds
    jackknife = of_folds * rng.chisquare(between, (_DRAWS, 1)) / between
    within = max(freedom - between, 0.0)
    rest = groups * (rng.chisquare(within, (_DRAWS, 1)) if within else np.zeros((_DRAWS, 1)))
    seen = (between * jackknife + rest) / freedom
    return seen, np.maximum(enlargement(known.n_folds) * jackknife - seen, 0.0)


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
