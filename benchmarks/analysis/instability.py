"""Signs that a training did not go as the other seeds of its stack did, from the records and counts of cells.

Cells of one training, or of one ensemble, share weights: what is wrong with these is told once.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.record import cell_name

LOST, LEARNED = (
    1.0,
    10.0,
)  # IoU, percent: a network with less than the first has not learned a class, with the second it has
ODD_LOSS = 2.0  # times the median of the other seeds
NEARLY_ALL = 0.9  # of the machine's memory

Seeds = Mapping[str, Sequence[int]]  # the ok seeds of each stack, in the order of the table


class LostClass(NamedTuple):
    """A class that one seed of a stack has not learned, and another one has.

    Args:
        stack: The stack.
        seed: The seed.
        label: The index of the class.
        iou: The best IoU of the class among the cells with these weights, percent.
        best: That of the stack's best seed, percent.
    """

    stack: str
    seed: int
    label: int
    iou: float
    best: float


class OddLoss(NamedTuple):
    """A seed whose training ended at a much higher loss than the other seeds of the stack.

    Args:
        stack: The stack.
        seed: The seed.
        loss: The loss at its end, the mean over the last ten steps.
        usual: The median of the other seeds.
    """

    stack: str
    seed: int
    loss: float
    usual: float


def lost_classes(counts: Counts, weights: Mapping[str, str], seeds: Seeds) -> list[LostClass]:
    """The classes that some seeds of a stack have learned and others have not.

    The IoU is pooled over all test images. A class without truth has none, and is not told.

    Args:
        counts: Counts of the ok cells.
        weights: For each ok cell, what its weights have in common with those of other cells.
        seeds: The ok seeds of each stack.
    """
    best: dict[str, np.ndarray] = {}
    for cell, of_cell in counts.cells.items():
        key, iou = weights[cell], pooled_iou(of_cell)
        best[key] = np.fmax(best[key], iou) if key in best else iou
    found: dict[tuple[str, int], LostClass] = {}
    for stack, seed, key in _trainings(weights, seeds):
        others = [best[weights[cell_name(stack, other)]] for other in seeds[stack]]
        highest = np.fmax.reduce(others)
        for label in np.flatnonzero((best[key] < LOST) & (highest >= LEARNED)).tolist():
            found.setdefault(
                (key, label), LostClass(stack, seed, label, float(best[key][label]), float(highest[label]))
            )
    return list(found.values())


def pooled_iou(cell: CellCounts) -> np.ndarray:
    """The IoU of each class over all images (K,), percent; NaN for a class without truth."""
    tp, fp, fn = cell.area.sum(axis=0).T
    return np.where(tp + fn > 0, 100 * tp / np.maximum(tp + fp + fn, 1), np.nan)


def odd_losses(records: Mapping[str, Mapping], weights: Mapping[str, str], seeds: Seeds) -> list[OddLoss]:
    """The seeds that ended at more than twice the loss of the others; none where a loss is not above 0.

    Args:
        records: The records by cell.
        weights: As in :func:`lost_classes`.
        seeds: The ok seeds of each stack.
    """
    found: dict[str, OddLoss] = {}
    for stack, seed, key in _trainings(weights, seeds):
        losses = {other: records[cell_name(stack, other)]['train']['final_loss'] for other in seeds[stack]}
        own, others = losses.pop(seed), list(losses.values())
        if others and all(loss is not None and loss > 0 for loss in (own, *others)) and own > ODD_LOSS * median(others):
            found.setdefault(key, OddLoss(stack, seed, own, median(others)))
    return list(found.values())


def nearly_out_of_memory(records: Mapping[str, Mapping], memory_gib: float | None) -> dict[str, float]:
    """The ok cells whose training took nearly all of the machine's memory, with their peaks in GiB."""
    peaks = {cell: one['train']['host_peak_mib'] / 1024 for cell, one in records.items() if one['train']}
    return {cell: peak for cell, peak in peaks.items() if memory_gib and peak >= NEARLY_ALL * memory_gib}


def _trainings(weights: Mapping[str, str], seeds: Seeds) -> Iterator[tuple[str, int, str]]:
    """Each stack and seed, with the key of its weights."""
    for stack, of_stack in seeds.items():
        for seed in of_stack:
            yield stack, seed, weights[cell_name(stack, seed)]
