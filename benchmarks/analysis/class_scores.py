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

import numpy as np

from benchmarks.analysis.contrasts import CellScore, Contrasts
from benchmarks.analysis.counts import CellCounts
from benchmarks.analysis.scores import Score, dice_per_image, dice_ratio
from benchmarks.record import cell_name

HALL_SHEATHER, WIDEST = 0.97, 0.4  # of the half width of the quantiles about the median, at 95 %


def pooled_dice_of(index: int) -> Score:
    """The Dice of one class of counts summed over the images, percent; undefined where no annotation shows it."""

    def addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
        area = counts.area[:, index]
        return area if (area[:, 0] + area[:, 2]).any() else np.zeros_like(area)

    return Score(addends, lambda sums: 100 * dice_ratio(sums), lambda area: (area.sum(axis=1) > 0).astype(float))


def dice_per_image_of(index: int) -> Score:
    """The mean over images of the Dice of one class, percent, where it is in the truth or in the prediction."""

    def addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
        values = dice_ratio(counts.area[:, index])
        defined = ~np.isnan(values)
        return np.stack([np.where(defined, values, 0.0), defined], axis=1)

    def finish(sums: np.ndarray) -> np.ndarray:
        return np.where(sums[..., 1] > 0, 100 * sums[..., 0] / np.maximum(sums[..., 1], 1), np.nan)

    return Score(addends, finish, lambda both: both[:, 1])


class Medians(Contrasts):
    """Weighted sums of the stacks' medians over images of Dice per image."""

    def of_cell(self, stack: str, seed: int) -> CellScore:
        """The median of an ok cell."""
        cell = cell_name(stack, seed)
        if cell not in self._cells:
            values = dice_per_image(self._counts.cells[cell], self._foreground)
            median = median_without_groups(values, self._counts.groups, self._counts.n_groups)
            if (folds := self._counts.folds) is not None:
                without_fold = median_without_groups(values, folds, int(folds.max()) + 1).without
                median = median._replace(without_fold=without_fold)
            self._cells[cell] = median
        return self._cells[cell]


def median_without_groups(values: np.ndarray, groups: np.ndarray, n_groups: int) -> CellScore:
    """The median of the defined values, and about that without each group, by the linear step of the text above.

    Args:
        values: (N,), NaN where undefined.
        groups: int (N,), 0 to G - 1.
        n_groups: G.

    Returns:
        CellScore: Without folds.
    """
    defined = ~np.isnan(values)
    values, groups = values[defined], groups[defined]
    sizes = np.bincount(groups, minlength=n_groups).astype(float)
    if not len(values):
        return CellScore(np.array(np.nan), np.full(n_groups, np.nan), sizes, np.zeros(0))
    median = np.asarray(np.median(values))
    half = min(HALL_SHEATHER * len(values) ** (-1 / 3), WIDEST)
    low, high = np.quantile(values, (0.5 - half, 0.5 + half))
    signs = np.sign(values - median) / 2
    steps = np.bincount(groups, (high - low) / (2 * half) * (signs - signs.mean()), n_groups)
    left = len(values) - sizes
    without = np.where(left > 0, median - steps / np.maximum(left, 1), np.nan)
    return CellScore(median, without, sizes, np.zeros(0))
