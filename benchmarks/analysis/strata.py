"""Gains within strata of the test images: by size, by class, by difficulty.

A *unit* is one foreground class in one image whose truth shows it; its score is its Dice. The gain in a stratum is the
mean over its units of the stack's score minus the reference's. Beside it stands what the gain is *beyond the rest*: the
gain in the stratum minus that in all other units. That a gain is shown in one stratum and not in another does not show
that the two differ (Gelman and Stern 2006); only the second number does.

Difficulty is the reference's own score of the image. Taken from the seed whose gain is measured it would make every
technique seem to help hard images: an image that was hard by chance is easier the next time (regression to the mean).
So for each seed the difficulty comes from the reference's *other* seeds.

The gain in a stratum is the difference of two scores, those of the stratum's units, and so is what it is beyond the
rest. Its seed variance borrows as any difference does, from the scores of all trainings in the same stratum
(:class:`Levels`, :mod:`benchmarks.analysis.lenders`).
"""
# S seeds, N images, F foreground classes, G image groups

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import CellCounts
from benchmarks.analysis.resampling import Estimate, estimate, leave_one_fold_out, leave_one_group_out
from benchmarks.analysis.scores import dice_ratio

THIRDS = (1 / 3, 2 / 3)


class Stratum(NamedTuple):
    """A part of the units.

    Attributes:
        name: What the units have in common.
        mask: bool (N, F), or (S, N, F) if it depends on the seed.
    """

    name: str
    mask: np.ndarray


def unit_dice(cell: CellCounts, foreground: np.ndarray) -> np.ndarray:
    """The Dice of each unit, percent, (N, F); NaN where the truth does not show the class."""
    area = cell.area[:, foreground]
    return np.where(truth_pixels(cell, foreground) > 0, 100 * dice_ratio(area), np.nan)


def truth_pixels(cell: CellCounts, foreground: np.ndarray) -> np.ndarray:
    """The number of pixels of each foreground class in the truth of each image, (N, F)."""
    area = cell.area[:, foreground]
    return area[..., 0] + area[..., 2]


def by_size(pixels: np.ndarray) -> list[Stratum]:
    """Thirds of the units by the number of pixels in the truth, at limits of two digits.

    Args:
        pixels: (N, F); 0 is no unit.
    """
    if not pixels.any():
        return []
    limits = sorted({0, *(_two_digits(limit) for limit in np.quantile(pixels[pixels > 0], THIRDS))})
    strata = [
        Stratum(_between(low, high), (pixels > 0) & (pixels >= low) & (pixels < high))
        for low, high in zip(limits, [*limits[1:], np.inf])
    ]
    return [stratum for stratum in strata if stratum.mask.any()]


def by_class(pixels: np.ndarray, names: Sequence[str], most: int = 20) -> list[Stratum]:
    """The units of each foreground class; of many classes those that most images show.

    Args:
        pixels: (N, F); 0 is no unit.
        names: The names of the foreground classes, F.
        most: The largest number of classes.
    """
    images = (pixels > 0).sum(axis=0)
    shown = np.sort(np.argsort(-images, kind='stable')[:most])
    return [
        Stratum(f'class “{names[index]}”', (pixels > 0) & (np.arange(len(images)) == index))
        for index in shown
        if images[index]
    ]


def by_difficulty(reference: np.ndarray, of_seed: Sequence[int]) -> list[Stratum]:
    """Thirds of the images by the reference's mean score in its other seeds.

    Args:
        reference: (R, N, F), the scores of the reference's units in all of its seeds; NaN is no unit.
        of_seed: For each seed whose gain is measured its index in ``reference``, (S,).

    Returns:
        list: The hardest third first; none where a seed has no other seed.
    """
    if len(reference) < 2:
        return []
    units = ~np.isnan(reference[0])
    number = units.sum(axis=1)
    means = np.where(units, reference, 0.0).sum(axis=2) / np.maximum(number, 1)  # (R, N)
    thirds = np.zeros((len(of_seed), len(number)), int)
    for row, seed in enumerate(of_seed):
        others = np.delete(means, seed, axis=0).mean(axis=0)
        thirds[row] = np.searchsorted(np.quantile(others[number > 0], THIRDS), others, side='right')
    names = ('the hardest third of the images', 'the middle third of the images', 'the easiest third of the images')
    return [Stratum(name, (thirds == third)[..., None] & units) for third, name in enumerate(names)]


class Levels:
    """The score of any stack in a stratum, seed by seed: the mean over its units, or that minus the mean of the rest.

    Args:
        unit_scores: ``(stack, seed)`` to the scores of an ok cell's units, (N, F), NaN for no unit.
        masks: The stratum by seed, bool (N, F); a seed that is not there has no stratum.
        beyond: Whether the mean of all other units is taken off.
    """

    def __init__(
        self, unit_scores: Callable[[str, int], np.ndarray], masks: Mapping[int, np.ndarray], *, beyond: bool
    ) -> None:
        self._unit_scores, self._masks, self._beyond = unit_scores, masks, beyond

    def __call__(self, stack: str, seeds: Sequence[int]) -> np.ndarray:
        """(S,); NaN where a seed has no stratum, or the stratum no unit."""
        levels = np.full(len(seeds), np.nan)
        known = [place for place, seed in enumerate(seeds) if seed in self._masks]
        if known:
            scores = np.array([self._unit_scores(stack, seeds[place]) for place in known])
            masks = np.array([self._masks[seeds[place]] for place in known])
            levels[known] = _means_of(scores, masks)
            if self._beyond:
                levels[known] -= _means_of(scores, ~masks & ~np.isnan(scores))
        return levels


def gain_in(
    gains: np.ndarray, mask: np.ndarray, groups: np.ndarray, folds: np.ndarray | None = None
) -> Estimate | None:
    """The mean gain of the units of a stratum; None if it has none, or fewer than two image groups.

    Args:
        gains: (S, N, F), stack minus reference.
        mask: (N, F) or (S, N, F).
        groups: int (N,), 0 to G - 1.
        folds: int (N,), the fold in which each image is tested; None without folds.
    """
    return _estimated([(1.0, _means(gains, mask, groups, folds))])


def beyond_the_rest(
    gains: np.ndarray, mask: np.ndarray, groups: np.ndarray, folds: np.ndarray | None = None
) -> Estimate | None:
    """The gain in a stratum minus that of all other units; see :func:`gain_in`."""
    rest = ~np.isnan(gains) & ~mask
    return _estimated([(1.0, _means(gains, mask, groups, folds)), (-1.0, _means(gains, rest, groups, folds))])


class _Means(NamedTuple):
    """The mean of a stratum for each seed: over all images (S,), without each group (S, G), and without each fold
    (S, F); and its units per group.
    """

    full: np.ndarray
    without: np.ndarray
    sizes: np.ndarray
    without_fold: np.ndarray


def _means(gains: np.ndarray, mask: np.ndarray, groups: np.ndarray, folds: np.ndarray | None) -> _Means:
    masks = np.broadcast_to(mask, gains.shape)
    addends = np.stack([np.where(masks, gains, 0.0).sum(axis=2), masks.sum(axis=2)], axis=2)  # (S, N, 2)
    full, without = leave_one_group_out(addends, groups, _mean)
    sizes = np.bincount(groups, addends[..., 1].mean(axis=0), int(groups.max()) + 1)
    return _Means(full, without, sizes, leave_one_fold_out(addends, folds, _mean))


def _estimated(parts: Sequence[tuple[float, _Means]]) -> Estimate | None:
    """The weighted sum of some means."""
    if any((means.sizes > 0).sum() < 2 for _, means in parts):
        return None
    sizes = sum(means.sizes for _, means in parts)
    # The least-covered stratum bounds the number of groups that the sum rests on.
    least = min((means.sizes for _, means in parts), key=lambda of: of.sum() ** 2 / (of**2).sum())
    kept = np.asarray(sizes) > 0
    full = np.asarray(sum(weight * means.full for weight, means in parts))
    without = np.asarray(sum(weight * means.without[:, kept] for weight, means in parts))
    without_fold = np.asarray(sum(weight * means.without_fold for weight, means in parts))
    est = estimate(full, without, np.asarray(sizes)[kept], without_fold)
    effective = np.minimum(est.effective_groups, least.sum() ** 2 / (least**2).sum())
    est = est._replace(effective_groups=effective)
    return None if np.isnan(est.value) or np.isnan(est.variance_groups) else est


def _means_of(scores: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The mean of the units of each seed, (S,); NaN without any."""
    sums = np.where(masks, scores, 0.0).reshape(len(scores), -1).sum(axis=1)
    return _mean(np.stack([sums, masks.reshape(len(scores), -1).sum(axis=1)], axis=-1))


def _mean(sums: np.ndarray) -> np.ndarray:
    number = sums[..., 1]
    return np.where(number > 0, sums[..., 0] / np.maximum(number, 1), np.nan)


def _between(low: float, high: float) -> str:
    if low == 0:
        return f'areas under {high:,} px'
    return f'areas of {low:,} px and more' if np.isinf(high) else f'areas of {low:,} to {high - 1:,} px'


def _two_digits(value: float) -> int:
    """A positive number rounded to two significant digits, at least 1."""
    return max(int(float(f'{value:.1e}')), 1)
