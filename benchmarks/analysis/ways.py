"""Ways of scoring the same counts: publications use them all, and often do not say which.

A way fixes the measure (Dice, IoU, boundary measures), how images are put together (a mean over images, or counts
pooled over images), whether the background counts, and what a class counts that an image does not show:

===================  ==================================================================================================
left out             a class counts if it is in the truth or in the prediction (the rule of this harness)
counts 100           a class that is in neither counts as a perfect score (as in many challenges' code)
truth alone          a class counts if it is in the truth; false alarms elsewhere cost nothing
===================  ==================================================================================================

Reference: Reinke et al. 2024, "Understanding metric-related pitfalls in image analysis validation", Nature Methods.
"""
# N images, K classes, F foreground classes, M addends per image; ... is nothing for one cell, or C for many at once

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import CellCounts
from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.analysis.scores import SCORES, dice_ratio, iou_ratio, with_annotations

Ratio = Callable[[np.ndarray], np.ndarray]


def _any_addend(addends: np.ndarray) -> np.ndarray:
    return (addends != 0).any(axis=-1).astype(float)


class Way(NamedTuple):
    """A way of scoring.

    Attributes:
        addends: ``(counts, foreground (F,)) -> (..., N, M)``.
        finish: ``(..., M) -> (...)``; higher is better, so that distances are negative.
        unit: ``%`` or ``px``.
        weights: ``(..., N, M) -> (..., N)``, how much each image counts: 0 where there is nothing to measure in it.
        metric: The name of the metric by which a comparison table has this score; empty where none has it.
    """

    addends: Callable[[CellCounts, np.ndarray], np.ndarray]
    finish: Callable[[np.ndarray], np.ndarray]
    unit: str = '%'
    weights: Callable[[np.ndarray], np.ndarray] = _any_addend
    metric: str = ''


def _per_image(ratio: Ratio, absent: str = 'left out', *, background: bool = False) -> Way:
    """Mean over images of the mean over classes."""

    def addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
        area = counts.area if background else counts.area.take(foreground, axis=-2)
        values = ratio(area)
        if absent == 'counts 100':
            values = np.where(np.isnan(values), 1.0, values)
        elif absent == 'truth alone':
            values = np.where(area[..., 0] + area[..., 2] > 0, values, np.nan)
        defined = ~np.isnan(values)
        number = defined.sum(axis=-1)
        means = np.where(defined, values, 0.0).sum(axis=-1) / np.maximum(number, 1)
        return np.stack([100 * means, number > 0], axis=-1)

    return Way(addends, _mean)


def _pooled(ratio: Ratio, *, over_classes: bool = False) -> Way:
    """Counts summed over images, and over classes or not; then the mean over foreground classes."""

    def addends(counts: CellCounts, foreground: np.ndarray) -> np.ndarray:
        area = counts.area if over_classes else with_annotations(counts.area, foreground)
        area = area.take(foreground, axis=-2)
        area = area.sum(axis=-2, keepdims=True) if over_classes else area
        return area.reshape(*area.shape[:-2], -1)

    return Way(addends, lambda sums: 100 * ratio(sums.reshape(*sums.shape[:-1], -1, 3)).mean(axis=-1))


def _known(name: str) -> Way:
    """A score of the tables, turned round where less is better."""
    score, metric = SCORES[name], METRIC_OF[name]
    finish = (lambda sums: -score.finish(sums)) if metric.less_is_better else score.finish
    return Way(score.addends, finish, metric.value_unit, score.weights, name)


def _mean(sums: np.ndarray) -> np.ndarray:
    number = sums[..., 1]
    return np.where(number > 0, sums[..., 0] / np.maximum(number, 1), np.nan)


DICE = 'Dice per image'
WAYS = {
    DICE: _known('dice'),
    'Dice per image with absent classes as 100': _per_image(dice_ratio, 'counts 100'),
    'Dice per image of the classes in the truth': _per_image(dice_ratio, 'truth alone'),
    'Dice per image with background': _per_image(dice_ratio, background=True),
    'Dice pooled over images': _pooled(dice_ratio),
    'Dice with background pooled over images': _known('mdice'),
    'Dice pooled over images and classes': _pooled(dice_ratio, over_classes=True),
    'IoU per image': _per_image(iou_ratio),
    'IoU pooled over images': _pooled(iou_ratio),
    'IoU with background pooled over images': _known('miou'),
    'boundary IoU': _known('boundary_iou'),
    'surface Dice': _known('nsd'),
    'HD95': _known('hd95_px'),
    'ASSD': _known('assd_px'),
}
