"""Counting the pixels of every (true class, predicted class) pair, against mmseg's own metric and against bincount.

mmseg counts true positives, predicted and annotated pixels per class. The harness counts all pairs, from which these
follow. A pipeline of mmseg holds int64 tensors; refined labels are bytes.
"""

import numpy as np
import torch
from mmseg.evaluation import IoUMetric

from benchmarks.probes.counts import class_counts, confusion
from benchmarks.speed.label_maps import VOID, label_maps
from benchmarks.speed.side_by_side import Ratio, report, side_by_side

SHAPE = (1024, 2048)
CLASSES = 19
REACH = 40.0


def main() -> None:
    """Run the comparison."""
    torch.set_num_threads(1)  # mmseg's best: its histograms are slower on two threads than on one
    annotation, (prediction,) = label_maps(SHAPE, CLASSES, 1)
    noise, other_noise = np.random.default_rng(0).integers(0, CLASSES, (2, *SHAPE), dtype=np.uint8)
    lines = [*_lines('label maps', prediction, annotation), *_lines('pure noise', noise, other_noise)]
    report('confusion_counts', lines, threads=torch.get_num_threads())


def _lines(kind: str, prediction: np.ndarray, annotation: np.ndarray) -> list[Ratio]:
    wide_prediction, wide_annotation = prediction.astype(np.int64), annotation.astype(np.int64)
    tensors = torch.from_numpy(wide_prediction), torch.from_numpy(wide_annotation)
    mmseg = 'IoUMetric.intersect_and_union', lambda: IoUMetric.intersect_and_union(*tensors, CLASSES, VOID)
    by_bincount = 'torch.bincount of the pairs', lambda: _bincount(*tensors)
    of_bytes = 'ours, uint8', lambda: confusion(prediction, annotation, CLASSES, VOID)
    of_integers = 'ours, int64', lambda: confusion(wide_prediction, wide_annotation, CLASSES, VOID)
    note = _equality(of_bytes[1](), of_integers[1](), mmseg[1](), by_bincount[1]())
    what = f'{kind}, {SHAPE[0]}×{SHAPE[1]}, {CLASSES} classes'
    return [
        side_by_side(what, mmseg, of_bytes, reach=REACH, note=note),
        side_by_side(what, mmseg, of_integers, note=note),
        side_by_side(what, by_bincount, of_bytes, note=note),
    ]


def _bincount(prediction: torch.Tensor, annotation: torch.Tensor) -> torch.Tensor:
    """Count the pairs as torchmetrics does."""
    known = annotation != VOID
    pairs = annotation[known] * CLASSES + prediction[known]
    return torch.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def _equality(of_bytes: np.ndarray, of_integers: np.ndarray, mmseg: tuple, by_bincount: torch.Tensor) -> str:
    tp, fp, fn = class_counts(of_bytes)
    intersect, union, predicted, annotated = (np.asarray(area).astype(np.int64) for area in mmseg)
    equal = (
        np.array_equal(of_bytes, of_integers)
        and np.array_equal(of_bytes, by_bincount.numpy())
        and np.array_equal([tp, tp + fp + fn, tp + fp, tp + fn], [intersect, union, predicted, annotated])
    )
    if not equal:
        raise AssertionError('the counts differ')
    return 'all counts equal'


if __name__ == '__main__':
    main()
