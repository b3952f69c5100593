"""Scores of one class, pooled and per image, and the median over images: what a mean over classes and images hides.

A difference of medians is that of two stacks' medians over the same images. The jackknife of a median fails: without
one image the median moves to its neighbour, however dense the values are there (measured: 71 % coverage at 20 images).
So the median without a group is a linear step from the median over all images,

    median_(g) = median - sum of psi_i over the images i of g / (N - N_g),    psi_i = s sign(x_i - median) / 2

with the sparsity ``s = (Q(1/2 + h) - Q(1/2 - h)) / 2h`` of the quantiles Q, and ``h = 0.97 N^(-1/3)`` (Hall and
Sheather for 95 %; at most 0.4). Groups, pairing and seeds enter as they do for a mean. Coverage of 95 % intervals in
percent, 2,000 test sets with known median, by tests/benchmarks/analysis/test_class_scores.py::

    groups x images each          8 x 1   8 x 7   20 x 1   20 x 5   60 x 1   60 x 5
    normal images     mean         95.7    94.8     95.7     95.1     94.6     95.4
                      median       98.0    96.1     97.6     96.4     96.4     95.6
    lognormal images  mean         91.0    94.6     91.4     94.4     93.4     95.6
                      median       98.4    96.1     98.4     96.2     96.4     94.7

Where many images have the same score, such as 0 or 100, the sparsity is a guess, and so is the interval.

References: Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans", chapter 3; Hall and Sheather 1988,
"On the distribution of a Studentized quantile"; Parente and Santos Silva 2016, "Quantile regression with clustered
data".
"""
# N images, G image groups, F foreground classes

from functools import cache

import numpy as np

from benchmarks.analysis.cell_scores import Additive, SeedScores
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.resampling import sums_by_group
from benchmarks.analysis.scores import Score, dice_per_image, dice_ratio, with_annotations

HALL_SHEATHER, WIDEST = 0.97, 0.4  # of the half width of the quantiles about the median, at 95 %


@cache
def pooled_dice_of(index: int) -> Score:
    """The Dice of one class of counts summed over the images, percent; undefined where no annotation shows it."""

    def addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
        return with_annotations(counts.area, np.array([index]))[..., index, :]

    return Score(addends, lambda sums: 100 * dice_ratio(sums), lambda area: (area.sum(axis=-1) > 0).astype(float))


@cache
def dice_per_image_of(index: int) -> Score:
    """The mean over images of the Dice of one class, percent, where it is in the truth or in the prediction."""

    def addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
        values = dice_ratio(counts.area[..., index, :])
        defined = ~np.isnan(values)
        return np.stack([np.where(defined, values, 0.0), defined], axis=-1)

    def finish(sums: np.ndarray) -> np.ndarray:
        return np.where(sums[..., 1] > 0, 100 * sums[..., 0] / np.maximum(sums[..., 1], 1), np.nan)

    return Score(addends, finish, lambda both: both[..., 1])


def medians(score: Additive, cells: CellCounts, counts: Counts, foreground: np.ndarray) -> SeedScores:
    """The medians over images of the Dice per image of some cells; see :data:`benchmarks.analysis.cell_scores.Rule`."""
    values = dice_per_image(cells, foreground)
    found = _by_pattern(values, counts.groups, counts.n_groups)
    if counts.folds is None:
        return found
    return found._replace(without_fold=_by_pattern(values, counts.folds, int(counts.folds.max()) + 1).without)


def _by_pattern(values: np.ndarray, groups: np.ndarray, n_groups: int) -> SeedScores:
    """The medians of S cells (S, N): of those together that are defined in the same images."""
    patterns, place = np.unique(np.isnan(values), axis=0, return_inverse=True)
    rows = [np.flatnonzero(place.reshape(-1) == number) for number in range(len(patterns))]
    parts = [median_without_groups(values[own], groups, n_groups) for own in rows]
    in_order = np.argsort(np.concatenate(rows), kind='stable')
    return SeedScores(*(np.concatenate(column)[in_order] for column in zip(*parts)))


def median_without_groups(values: np.ndarray, groups: np.ndarray, n_groups: int) -> SeedScores:
    """The median of the defined values, and about that without each group, by the linear step of the text above.

    It knows of no folds: give them as ``groups``.

    Args:
        values: (..., N), NaN where undefined: in the same images of all cells.
        groups: int (N,), 0 to G - 1.
        n_groups: G.

    Returns:
        SeedScores: (...), with ``without`` and ``sizes`` (..., G); F = 0.
    """
    defined = ~np.isnan(values[(0,) * (values.ndim - 1)])
    values, groups = values[..., defined], groups[defined]
    number, cells = len(groups), values.shape[:-1]
    sizes = np.bincount(groups, minlength=n_groups).astype(float)
    of_cells, no_folds = np.broadcast_to(sizes, (*cells, n_groups)), np.zeros((*cells, 0))
    if not number:
        return SeedScores(np.full(cells, np.nan), np.full((*cells, n_groups), np.nan), of_cells, no_folds)
    median = np.asarray(np.median(values, axis=-1))
    half = min(HALL_SHEATHER * number ** (-1 / 3), WIDEST)
    low, high = np.quantile(values, (0.5 - half, 0.5 + half), axis=-1)
    signs = np.sign(values - median[..., None]) / 2
    influence = ((high - low) / (2 * half))[..., None] * (signs - signs.mean(axis=-1, keepdims=True))
    steps = sums_by_group(influence[..., None], groups, n_groups)[..., 0]
    left = number - sizes
    without = np.where(left > 0, median[..., None] - steps / np.maximum(left, 1), np.nan)
    return SeedScores(median, without, of_cells, no_folds)
