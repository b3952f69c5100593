"""Scores from counts: only here a count becomes a number in percent.

Every score is a function of a sum over images. The score of any subset of the images therefore needs the sum over that
subset only, which makes resampling cheap. Integers are summed exactly.

==============  =====================================================================================================
dice            mean over images of the mean over foreground classes present in truth or prediction (tp + fp + fn > 0)
                of 2 tp / (2 tp + fp + fn); an image in which no foreground class is present is left out
mdice, miou     pooled over the data set, then the mean over all classes, background included, that occur in it:
                2 tp / (2 tp + fp + fn) and tp / (tp + fp + fn), as mmseg's ``IoUMetric`` does (but unrounded);
                undefined if a foreground class occurs in no annotation of the data set
boundary_iou    as dice, of tp / (tp + fp + fn) of the pixels in the boundary band (Cheng et al., CVPR 2021)
hd95_px         mean over images x foreground classes in which the distance is defined (class in truth and prediction)
nsd             as dice, of the edge pixels of prediction and truth within the tolerance of the other edge / all of them
                (surface Dice at ``record.NSD_TOLERANCE_PX``, edge convention; Nikolov et al., JMIR 2021)
assd_px         as hd95_px, of the average symmetric surface distance (edge convention)
==============  =====================================================================================================

A foreground class without any annotated pixel (:func:`never_annotated`) would count 0 in a pooled score if a network
ever predicts it, and nothing if none does: two rows would be means over different classes, and a data set whose masks
hold nothing but background would give 100. So there is no such score.

Scores are in percent, or in pixels (``_px``). A score is NaN if there is no image, class or distance to average.
A data set without a background class (``background=None``) has only foreground classes.
"""
# N images, K classes, F foreground classes, M addends per image; ... is nothing for one cell, or C for many at once

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import CellCounts


class Score(NamedTuple):
    """A score in additive form.

    Attributes:
        addends: ``(counts, foreground (F,)) -> (..., N, M)``; int64 where the score is pooled.
        finish: ``(..., M) -> (...)``, the score of summed addends.
        weights: ``(..., N, M) -> (..., N)``, how much each image counts: 0 where there is nothing to measure in it.
    """

    addends: Callable[[CellCounts, np.ndarray], np.ndarray]
    finish: Callable[[np.ndarray], np.ndarray]
    weights: Callable[[np.ndarray], np.ndarray]


def foreground_classes(n_classes: int, background: int | None) -> np.ndarray:
    """Indices of the foreground classes: all but ``background``, or all when there is none. int64 (F,)."""
    return np.array([index for index in range(n_classes) if index != background], np.int64)


def never_annotated(counts: CellCounts, foreground: np.ndarray) -> list[int]:
    """The foreground classes that occur in no annotation; a cell without any image lacks none."""
    return foreground[_lacks(counts.area, foreground)].tolist()


def with_annotations(area: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Areas (..., N, K, 3); all 0 in a cell with a foreground class that no annotation shows.

    A sum of nothing is an undefined score, of every subset of the images.
    """
    undefined = np.asarray(_lacks(area, foreground).any(axis=-1))
    return np.where(undefined[..., None, None, None], 0, area)


def dice_ratio(counts: np.ndarray) -> np.ndarray:
    """2 tp / (2 tp + fp + fn) of integer counts (..., 3) in [0, 1]; NaN when all three are zero."""
    tp, fp, fn = np.moveaxis(np.asarray(counts), -1, 0)
    return _divide(2 * tp, 2 * tp + fp + fn)


def iou_ratio(counts: np.ndarray) -> np.ndarray:
    """tp / (tp + fp + fn) of integer counts (..., 3) in [0, 1]; NaN when all three are zero."""
    tp, fp, fn = np.moveaxis(np.asarray(counts), -1, 0)
    return _divide(tp, tp + fp + fn)


def dice_per_image(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
    """Mean Dice over the foreground classes present, per image, percent (..., N); NaN where none is present."""
    return dice_of_each(counts.area, foreground)


def dice_of_each(area: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """:func:`dice_per_image` of areas alone, int64 (..., N, K, 3)."""
    return 100 * _mean_defined(dice_ratio(area.take(foreground, axis=-2)))


def dice_of_areas(area: np.ndarray, foreground: np.ndarray) -> float:
    """The score ``dice`` where only areas were counted.

    Args:
        area: Pixels, true positive, false positive and false negative: int64 (N, K, 3).
        foreground: Indices of the foreground classes (F,).

    Returns:
        float: Percent; NaN if no image shows a foreground class.
    """
    return float(_finish_mean(_mean_addends(dice_of_each(area, foreground)[..., None]).sum(axis=0)))


def boundary_iou_per_image(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
    """Mean boundary IoU over the foreground classes present, per image, percent (..., N); NaN where none is present."""
    return 100 * _mean_defined(iou_ratio(counts.boundary.take(foreground, axis=-2)))


def nsd_per_image(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
    """Mean surface Dice over the foreground classes present, per image, percent (..., N); NaN where none is present."""
    close, total = np.moveaxis(counts.edge.take(foreground, axis=-2), -1, 0)
    return 100 * _mean_defined(_divide(close, total))


def score(name: str, counts: CellCounts, foreground: np.ndarray) -> float:
    """One score of one cell over all its images.

    Args:
        name: A key of ``SCORES``.
        counts: Counts of the cell.
        foreground: Indices of the foreground classes (F,), see :func:`foreground_classes`.

    Returns:
        float: Percent, or pixels for ``hd95_px`` and ``assd_px``; NaN where undefined.
    """
    return float(SCORES[name].finish(SCORES[name].addends(counts, foreground).sum(axis=0)))


def hd95_undefined(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
    """Number of (image, foreground class) pairs present in truth or prediction, but not in both: without a distance.

    Pairs absent from both have nothing to measure and are not counted. int64 (...).
    """
    present = counts.area.take(foreground, axis=-2).sum(axis=-1) > 0
    return (present & np.isnan(counts.hd95_px.take(foreground, axis=-1))).sum(axis=(-2, -1))


def _lacks(area: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Whether no annotation shows a foreground class, (..., F); False without any image."""
    shown = area.take(foreground, axis=-2).sum(axis=-3)
    return (shown[..., 0] + shown[..., 2] == 0) & (area.shape[-3] > 0)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    result = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the values that are not NaN; NaN without any (np.nanmean would warn)."""
    defined = ~np.isnan(values)
    return _divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def _mean_addends(values: np.ndarray) -> np.ndarray:
    """(..., N, F) values with NaN to (..., N, 2): the sum and the number of the defined ones, per image."""
    defined = ~np.isnan(values)
    return np.stack([np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1)], axis=-1)


def _finish_mean(sums: np.ndarray) -> np.ndarray:
    return _divide(sums[..., 0], sums[..., 1])


def _number_defined(addends: np.ndarray) -> np.ndarray:
    return addends[..., 1]


def _any_pixel(addends: np.ndarray) -> np.ndarray:
    return (addends.sum(axis=-1) > 0).astype(float)


def _mean_score(values: Callable[[CellCounts, np.ndarray], np.ndarray]) -> Score:
    """The mean of the defined ones of ``values``, (..., N, F)."""
    return Score(lambda counts, foreground: _mean_addends(values(counts, foreground)), _finish_mean, _number_defined)


def _pooled_score(ratio: Callable[[np.ndarray], np.ndarray]) -> Score:
    """The mean over classes of a ratio of summed counts."""
    return Score(_area_addends, lambda sums: 100 * _mean_defined(ratio(_by_class(sums))), _any_pixel)


def _per_image(
    values: Callable[[CellCounts, np.ndarray], np.ndarray],
) -> Callable[[CellCounts, np.ndarray], np.ndarray]:
    """Values (..., N) as those of a single class."""
    return lambda counts, foreground: values(counts, foreground)[..., None]


def _area_addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
    return with_annotations(counts.area, foreground).reshape(*counts.area.shape[:-2], -1)


def _by_class(sums: np.ndarray) -> np.ndarray:
    return sums.reshape(*sums.shape[:-1], -1, 3)


SCORES = dict(
    dice=_mean_score(_per_image(dice_per_image)),
    mdice=_pooled_score(dice_ratio),
    miou=_pooled_score(iou_ratio),
    boundary_iou=_mean_score(_per_image(boundary_iou_per_image)),
    hd95_px=_mean_score(lambda counts, foreground: counts.hd95_px.take(foreground, axis=-1)),
    nsd=_mean_score(_per_image(nsd_per_image)),
    assd_px=_mean_score(lambda counts, foreground: counts.assd_px.take(foreground, axis=-1)),
)
