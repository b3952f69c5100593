"""Signs in the course of a training that its result is chance, or too early: spikes, gradients, a falling loss.

All of it comes from the facts of trainings, ``loss_by_tenth``, ``loss_spikes``, ``grad_norm`` and
``device_memory_mib``. Trainings from before these facts say nothing.

A loss is *still falling* when three things hold for its mean in each tenth of the steps (of several seeds the mean of
these):

1. the slope of a line through the last five tenths is below 0, by a one-sided t test at 1 % (three degrees of freedom);
2. along these five tenths the line falls by at least a tenth of what the loss has lost since the first tenth;
3. the last tenth is below the one before.

The first keeps a flat, noisy loss silent, the second one that has all but converged, the third one that fell in a step
and then no more. None of them depends on the loss's unit or sign.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

TENTHS, AT_THE_END = 10, 5
LEVEL = 0.01
NOTABLE_FALL = 0.1
EXPLODING = 100.0  # times the median norm
VANISHING = 1e-4  # times the norm at the beginning
NEARLY_ALL = 0.9  # of the GPU's memory


def fall_at_the_end(curves: Sequence[Sequence[float]]) -> float | None:
    """The part of its whole fall that a loss has lost in the second half of the training, if it is still falling.

    Args:
        curves: For each seed the mean loss of each tenth of the steps.

    Returns:
        The part, at least :data:`NOTABLE_FALL`; None for a loss that is not falling, or without ten tenths.
    """
    if not curves or any(len(curve) != TENTHS for curve in curves):
        return None
    from scipy import stats  # here, because writing records imports this module, and scipy takes a second

    mean = np.mean(curves, axis=0)
    end, place = mean[-AT_THE_END:], np.arange(AT_THE_END)
    line = stats.linregress(place, end, alternative='less')
    fall, whole = -line.slope * (AT_THE_END - 1), mean[0] - mean[-1]
    falling = line.pvalue < LEVEL and whole > 0 and fall >= NOTABLE_FALL * whole and end[-1] < end[-2]
    return float(fall / whole) if falling else None


def exploding(norm: Mapping[str, float]) -> bool:
    """Whether a step had a gradient far above that of the others."""
    return norm['median'] > 0 and norm['largest'] > EXPLODING * norm['median']


def vanishing(norm: Mapping[str, float]) -> bool:
    """Whether the gradients at the end are as good as nothing beside those at the beginning."""
    return norm['last'] <= VANISHING * norm['first']


def nearly_out_of_gpu(trainings: Mapping[str, Mapping]) -> dict[str, float]:
    """The cells whose training held nearly all of the GPU's memory, with that part of it.

    Args:
        trainings: The facts of a training by cell.
    """
    parts = {
        cell: train['peak_reserved_mib'] / train['device_memory_mib']
        for cell, train in trainings.items()
        if train.get('device_memory_mib') and train['peak_reserved_mib']
    }
    return {cell: part for cell, part in parts.items() if part >= NEARLY_ALL}


def of_several(trainings: Sequence[Mapping]) -> dict[str, Any]:
    """The course of networks that predict together: the mean loss, all spikes, and the most unsteady gradients.

    Args:
        trainings: The facts of each network's training.

    Returns:
        ``loss_by_tenth``, ``lr_by_tenth``, ``loss_spikes`` and ``grad_norm``; None for what is not known of one of
        them, and without what is known of none.
    """
    norms = _known(trainings, 'grad_norm')
    spikes = _known(trainings, 'loss_spikes')
    course = dict(
        loss_by_tenth=_mean_course(_known(trainings, 'loss_by_tenth')),
        lr_by_tenth=_mean_course(_known(trainings, 'lr_by_tenth')),
        loss_spikes=None if spikes is None else sum(spikes),
        grad_norm=norms and max(norms, key=lambda norm: norm['largest'] / max(norm['median'], 1e-30)),
    )
    return {fact: value for fact, value in course.items() if any(fact in training for training in trainings)}


def _mean_course(courses: list | None) -> list[float] | None:
    """The mean of several courses; None where one is unknown, or they have different lengths."""
    if not courses or len({len(course) for course in courses}) > 1:
        return None
    return [fmean(tenth) for tenth in zip(*courses)]


def _known(trainings: Iterable[Mapping], fact: str) -> list | None:
    values = [training.get(fact) for training in trainings]
    return None if any(value is None for value in values) else values
