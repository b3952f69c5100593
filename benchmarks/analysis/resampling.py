"""Intervals over image groups and training seeds by a two-way delete-one jackknife.

Test images and training seeds are two samples: another test set and another training would both move the score. For S
seeds and G image groups, with ``theta`` the mean over seeds of a score and ``theta_(g)`` the same without group g,

    V_groups = (G - 1) / G * sum_g (theta_(g) - mean_g theta_(g))^2        G* - 1 degrees of freedom
    V_seeds  = sum_s (theta_s - theta)^2 / (S (S - 1))                     S - 1 degrees of freedom
    half width at level a = sqrt(t(a, G* - 1)^2 V_groups + t(a, S - 1)^2 V_seeds)

Each level has its own t quantile, and the two half widths add in quadrature. ``G* = (sum_g n_g)^2 / sum_g n_g^2`` is
Kish's effective number of groups of n_g images: G when they are equal, fewer when a few large ones decide. Only images
in which the score is defined count, and G is the number of groups that hold one. The p value is the level at which the
interval just touches zero, so that p < 0.05 and "0 lies outside the 95 % interval" are one statement. Deterministic:
nothing is drawn. It needs no more than the score with each group left out, so it serves pooled scores, means per image
and paired differences alike. The interaction of group and seed is in both variances; it is counted twice on purpose
(subtracting it was liberal).

The differences of a grid lend one another strength (:mod:`benchmarks.analysis.moderation`): ``V_seeds`` is then drawn
towards a prior and has more degrees of freedom, and the two parts add as in :mod:`benchmarks.analysis.two_variances`.
Scores of single stacks and differences of small grids keep the formulas above.

In a grid with folds the choice of training sets is a third source, ``V_folds`` with F - 1 degrees of freedom
(:mod:`benchmarks.analysis.folds`). Its half width adds in quadrature, too, also where a seed variance is borrowed.

Measured by tests/benchmarks/analysis/test_resampling_coverage.py, 4,000 experiments each, nominal 95 %, S = 3, G = 8,
in 18 worlds, most of which break what a t interval assumes: skewed image scores, slices autocorrelated within a group,
skewed and unequal groups, seed effects that are heavy-tailed, contaminated or exponential, techniques that act
differently per group, bounded and pooled scores. The worst world of each method::

    method                                             coverage of a score    false calls between equal arms (A/A)
    this one                                           93.3 %                  4.8 %
    one t interval, Satterthwaite's df, V's summed     88.8 %                  7.2 %
    two-level percentile bootstrap                     79.9 %                 26.9 %
    image groups alone, seeds ignored                  71.9 %                 86.2 %

Mostly it covers 96 to 98 %: honest rather than sharp. Known limits (2,000 experiments, worst worlds): S = 3, G = 20:
92.6 %; S = 3, G = 60: 89.8 % (exponential seed effects decide, and three seeds rarely show their tail); S = 5, G = 8:
92.0 % (lognormal groups). A/A calls stay at 5.6 % or below in all of these, for two trainings: skew largely cancels in
their difference.

It does not cancel where two stacks share their training, as a network with and without test-time augmentation do. The
seed then acts once on the difference, with all of its skew. With S = 3 and G = 8, a skewed effect of the seed makes
10 % of such differences false calls, and one training in three that fails for the technique alone makes 30 %: the
seeds that were run agree with one another, and do not show the one that fails. What "these checkpoints" gain is known
all the same. tests/benchmarks/analysis/test_moderation.py has these worlds.

References: Kish 1965, "Survey Sampling" (effective number); Efron and Stein 1981 (jackknife variance); Owen 2007, "The
pigeonhole bootstrap" (two crossed samples); Bouthillier et al. 2021 (sources of variance in benchmarks).
"""
# S seeds, G image groups, F folds, N images, M addends per image

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from benchmarks.analysis.folds import variance_of_folds
from benchmarks.analysis.two_variances import TwoVariances

_SMALLEST_LEVEL = 1e-99  # below it the square of a quantile may overflow; such a p is zero for all purposes
_ARRAYS = ('value', 'variance_groups', 'variance_seeds', 'effective_groups', 'prior_freedom', 'variance_folds')


class Estimate(NamedTuple):
    """A value with its two variances; arrays of one shape when many are estimated at once.

    Attributes:
        value: Mean over the seeds.
        variance_groups: Variance of ``value`` due to the choice of image groups; NaN with fewer than two groups.
        variance_seeds: Variance of ``value`` due to the choice of seeds; 0 with a single seed, which tells nothing.
        effective_groups: G*, at most G.
        n_seeds: S; an array only in forecasts, all above 1.
        prior_freedom: Degrees of freedom that ``variance_seeds`` has beyond S - 1, by borrowing; 0 for none.
        lenders: The number of trainings, or of differences within one, from which it borrows.
        behrens_fisher: Whether the two parts of a value that borrows add as Behrens and Fisher have it, never as
            Satterthwaite: within one training, and in sums of more than two stacks.
        variance_folds: Variance of ``value`` due to the choice of training sets; 0 without folds, NaN where the score
            is undefined without some fold.
        n_folds: F; 1 without folds.
    """

    value: np.ndarray
    variance_groups: np.ndarray
    variance_seeds: np.ndarray
    effective_groups: np.ndarray
    n_seeds: int
    prior_freedom: float | np.ndarray = 0.0
    lenders: int = 0
    behrens_fisher: bool = False
    variance_folds: np.ndarray | float = 0.0
    n_folds: int = 1

    @property
    def seeds_covered(self) -> bool:
        """False with a single seed: the interval then speaks of other images only, not of another training."""
        return bool(np.all(self.n_seeds > 1))

    @property
    def of_these_checkpoints(self) -> 'Estimate':
        """The same value of the seeds that were run: other images might change it, other seeds are not asked about."""
        alone = self._replace(variance_seeds=np.zeros_like(self.variance_seeds), variance_folds=0.0)
        return alone._replace(n_seeds=1, n_folds=1, prior_freedom=0.0, lenders=0)

    @property
    def undefined(self) -> np.ndarray:
        """Where a variance is NaN, so that there is neither an interval nor a p."""
        return np.isnan(self.variance_groups + self.variance_seeds + self.variance_folds)

    @property
    def share_of_seeds(self) -> float:
        """The part of the variance that is due to seeds, 0 to 1; NaN with a single seed, or without any variance."""
        return float(self.variance_seeds) / self._total if self.seeds_covered and self._total > 0 else float('nan')

    @property
    def share_of_folds(self) -> float:
        """The part of the variance that is due to the folds' training sets, 0 to 1; NaN without folds or variance."""
        return float(self.variance_folds) / self._total if self.n_folds > 1 and self._total > 0 else float('nan')

    @property
    def _total(self) -> float:
        return float(self.variance_seeds + self.variance_groups + self.variance_folds)

    @property
    def borrows(self) -> bool:
        """Whether the parts add as in :mod:`benchmarks.analysis.two_variances`; with folds there are three."""
        return self.n_folds == 1 and bool(np.any(self.prior_freedom))


def leave_one_group_out(
    addends: np.ndarray, groups: np.ndarray, finish: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """A score over all images, and with each group of images left out.

    Args:
        addends: (..., N, M), the addends of each image.
        groups: int (N,), 0 to G - 1, the group of each image.
        finish: (..., M) to (...), the score of summed addends.

    Returns:
        tuple: The score, (...); the score without each group, (..., G).
    """
    sums = sums_by_group(addends, groups)
    total = sums.sum(axis=-2)
    return finish(total), finish(total[..., None, :] - sums)


def sums_by_group(addends: np.ndarray, groups: np.ndarray, n_groups: int = 0) -> np.ndarray:
    """The sum of the addends (..., N, M) of each group of images, (..., G, M); integers are summed exactly.

    Args:
        addends: (..., N, M).
        groups: int (N,), the group of each image.
        n_groups: G, if the last groups may be without images.
    """
    sizes = np.bincount(groups, minlength=n_groups)
    sums = np.zeros((*addends.shape[:-2], len(sizes), addends.shape[-1]), addends.dtype)
    order = np.argsort(groups, kind='stable')
    place = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # within its group
    for turn in range(sizes.max(initial=0)):  # one image of each group at a time, as each cell alone would sum them
        images = order[place == turn]
        sums[..., groups[images], :] += addends[..., images, :]
    return sums


def estimate(
    full: np.ndarray, without: np.ndarray, group_sizes: np.ndarray, without_fold: np.ndarray | None = None
) -> Estimate:
    """Value and variances from scores, or from paired differences of scores (both arguments being differences).

    Args:
        full: (..., S), the score of each seed over all images.
        without: (..., S, G), the same with group g left out.
        group_sizes: (..., G), number of images of each group in which the score is defined; 0 leaves a group out.
        without_fold: (..., S, F), the score without the images of fold f; None, or F = 0, without folds.

    Returns:
        Estimate: NaN where a score is undefined for a seed; variances NaN where it is undefined without some group.
    """
    full, without, sizes = (np.asarray(values, float) for values in (full, without, group_sizes))
    n_seeds = full.shape[-1]
    variance_groups = _jackknife(without.mean(axis=-2), sizes > 0)
    variance_seeds = full.var(axis=-1, ddof=1) / n_seeds if n_seeds > 1 else np.zeros(full.shape[:-1])
    squares = (sizes**2).sum(axis=-1)
    effective = sizes.sum(axis=-1) ** 2 / np.where(squares > 0, squares, np.nan)
    est = Estimate(full.mean(axis=-1), variance_groups, variance_seeds, effective, n_seeds)
    if without_fold is None or not without_fold.shape[-1]:
        return est
    return est._replace(variance_folds=variance_of_folds(without_fold, variance_groups), n_folds=without_fold.shape[-1])


def _jackknife(left_out: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(G - 1) / G times the sum of squares of the scores without a group, over the groups that count (..., G)."""
    n_groups = counts.sum(axis=-1)
    with np.errstate(divide='ignore', invalid='ignore'):
        mean = np.where(counts, left_out, 0.0).sum(axis=-1, keepdims=True) / n_groups[..., None]
        squares = (np.where(counts, left_out - mean, 0.0) ** 2).sum(axis=-1)
        return np.where(n_groups < 2, np.nan, (n_groups - 1) / n_groups * squares)


def leave_one_fold_out(
    addends: np.ndarray, folds: np.ndarray | None, finish: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A score without the images of each fold, (..., F); F = 0 where ``folds`` is None."""
    return np.zeros((*addends.shape[:-2], 0)) if folds is None else leave_one_group_out(addends, folds, finish)[1]


def half_width(est: Estimate, level: float | np.ndarray) -> np.ndarray:
    """Half width of the two-sided interval that leaves out ``level`` (0.05 for 95 %); NaN where undefined."""
    if est.borrows:
        return _error(est).half_width(level)
    return np.sqrt(sum(_quantile_squared(level, freedom) * variance for variance, freedom in variances_of(est)))


def interval(est: Estimate, level: float = 0.05, bounds: tuple[float, float] = (0.0, 100.0)) -> tuple:
    """Interval (low, high) that leaves out ``level``, cut to the possible values.

    Args:
        est: The estimate.
        level: Error rate, 0.05 for a 95 % interval.
        bounds: Possible values: (0, 100) for a score in percent, (-100, 100) for a difference of two, (0, inf) for
            pixels. Cutting loses no coverage.

    Returns:
        tuple: low and high, NaN with fewer than two groups or an undefined score.
    """
    half = half_width(est, level)
    return np.clip(est.value - half, *bounds), np.clip(est.value + half, *bounds)


def alike(estimates: Sequence[Estimate | None]) -> Iterator[tuple[list[int], Estimate]]:
    """The estimates of one form after another, as arrays, each with their places; None is left out.

    Of one form are those with the same numbers of seeds and folds that borrow in the same way.
    """
    places: dict[tuple, list[int]] = {}
    for place, est in enumerate(estimates):
        if est is not None:
            places.setdefault((est.n_seeds, est.n_folds, est.borrows, est.behrens_fisher), []).append(place)
    for rows in places.values():
        of_form = [est for est in map(estimates.__getitem__, rows) if est is not None]
        arrays: dict[str, Any] = {name: np.array([getattr(est, name) for est in of_form], float) for name in _ARRAYS}
        yield rows, of_form[0]._replace(**arrays)


def intervals(estimates: Sequence[Estimate | None], level: float | np.ndarray = 0.05) -> np.ndarray:
    """The intervals of many estimates at once, uncut, (N, 2); NaN for None.

    Args:
        estimates: The estimates.
        level: Error rate, of all or of each, (N,).
    """
    values, halves, levels = np.full((3, len(estimates)), np.nan)
    levels[:] = level
    for rows, est in alike(estimates):
        values[rows], halves[rows] = est.value, half_width(est, levels[rows])
    return np.stack([values - halves, values + halves], axis=1)


def p_value(est: Estimate) -> float:
    """Two-sided p of "the true value is zero": the level at which the interval just reaches zero.

    Without any variance it is 1 for a value of zero and 0 otherwise; NaN where the interval is undefined.
    """
    return float(level_at(est, np.abs(est.value)))


def p_values(estimates: Sequence[Estimate | None]) -> np.ndarray:
    """:func:`p_value` of many estimates at once, (N,); NaN for None."""
    return levels_at(estimates, [np.nan if est is None else abs(float(est.value)) for est in estimates])


def levels_at(estimates: Sequence[Estimate | None], distances: Sequence[float] | np.ndarray) -> np.ndarray:
    """:func:`level_at` of many estimates at once, (N,); NaN for None."""
    levels, distances = np.full(len(estimates), np.nan), np.asarray(distances, float)
    for rows, est in alike(estimates):
        levels[rows] = level_at(est, distances[rows])
    return levels


def level_at(est: Estimate, distance: float | np.ndarray) -> np.ndarray:
    """The level at which the interval just reaches ``distance`` from the value; see :func:`p_value`."""
    undefined = est.undefined | np.isnan(distance)
    if est.borrows:
        return np.where(undefined, np.nan, _error(est).p_value(distance))
    level, several = np.zeros(np.shape(undefined)), np.zeros(np.shape(undefined), int)
    for variance, freedom in variances_of(est):
        varies = variance > 0
        level = np.where(varies, _level_of_one(variance, freedom, distance), level)
        several = several + varies
    if (several > 1).any():
        level = np.where(several > 1, _bisected(est, distance), level)
    level = np.where(level < _SMALLEST_LEVEL, 0.0, level)
    return np.where(undefined, np.nan, np.where(np.equal(distance, 0), 1.0, level))


def _level_of_one(variance: np.ndarray, freedom: np.ndarray, distance: float | np.ndarray) -> np.ndarray:
    """The level where this variance is the only one: the two-sided p of a t test."""
    return 2 * special.stdtr(freedom, -distance / np.sqrt(np.where(variance > 0, variance, 1.0)))


def _bisected(est: Estimate, distance: float | np.ndarray) -> np.ndarray:
    """The level where several half widths add in quadrature, by bisection of its logarithm.

    The half width falls strictly from infinity at level 0 to zero at level 1.
    """
    shape = np.broadcast_shapes(np.shape(est.value), np.shape(distance))
    low, high = np.full(shape, np.log10(_SMALLEST_LEVEL) - 1), np.zeros(shape)
    for _ in range(80):
        middle = (low + high) / 2
        wider = half_width(est, 10.0**middle) > distance
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    return 10.0**high


def falls_short(est: Estimate, distance: float | np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """Whether the interval that leaves out ``level`` ends before ``distance`` from the value; not if undefined."""
    if est.borrows:
        return _error(est).p_value(distance) < level
    return half_width(est, level) < distance


def _error(est: Estimate) -> TwoVariances:
    """The distribution of the error of a value that borrows its seed variance."""
    return TwoVariances(*_parts(est), satterthwaite=not est.behrens_fisher)


def _parts(est: Estimate) -> tuple:
    """Both variances, each with its degrees of freedom."""
    return est.variance_seeds, est.n_seeds - 1 + est.prior_freedom, est.variance_groups, groups_freedom(est)


def variances_of(est: Estimate) -> list[tuple[np.ndarray, np.ndarray]]:
    """The variances of a value, each with its degrees of freedom; only those that its seeds and folds can show."""
    parts = [(est.variance_groups, groups_freedom(est))]
    if est.seeds_covered:
        parts.append((est.variance_seeds, np.asarray(est.n_seeds - 1 + est.prior_freedom)))
    if est.n_folds > 1:
        parts.append((np.asarray(est.variance_folds), np.asarray(est.n_folds - 1)))
    return parts


def groups_freedom(est: Estimate) -> np.ndarray:
    """The degrees of freedom of the variance due to image groups: G* - 1, at least 1."""
    # Below two effective groups no quantile is trustworthy; the one for two is already 12.7 wide at 95 %.
    return np.maximum(est.effective_groups - 1, 1)


def _quantile_squared(level: float | np.ndarray, degrees_of_freedom: np.ndarray) -> np.ndarray:
    """Square of the two-sided t quantile, as ``scipy.stats.t.isf`` has it without its checks of many microseconds."""
    return special.stdtrit(degrees_of_freedom, level / 2) ** 2
