"""HD95 and NSD of many predictions of one image, against DeepMind's surface-distance and against MONAI.

A grid measures the predictions of all stacks and seeds against the same annotation. The packages measure pairs of
masks. The harness measures the annotation once, and all classes of a prediction at once. Each package is compared under
its own convention of a boundary; see :mod:`benchmarks.probes.boundary`.
"""

from functools import partial

import numpy as np
import surface_distance
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from benchmarks.probes.boundary import boundary_facts
from benchmarks.probes.contours import CONTOUR, contours
from benchmarks.probes.distances import distances_between
from benchmarks.probes.truth import Truth
from benchmarks.record import NSD_TOLERANCE_PX
from benchmarks.speed.label_maps import VOID, label_maps
from benchmarks.speed.side_by_side import Ratio, report, side_by_side

PREDICTIONS = 4  # two stacks on two seeds
ROUNDS = 3
REACH = 8.0
AGREES = 1e-6
AGREES_FLOAT32 = 1e-5  # MONAI interpolates the percentile in float32


def main() -> None:
    """Run the comparison."""
    torch.set_num_threads(1)
    lines = [
        _against_deepmind((1024, 2048), 2),
        _against_deepmind((512, 1024), 8),
        _against_monai((512, 1024), 8),
        _kept_against_anew((1024, 2048), 19),
    ]
    report('surface_distances', lines, predictions=PREDICTIONS, tolerance_px=NSD_TOLERANCE_PX)


def _against_deepmind(shape: tuple[int, int], classes: int) -> Ratio:
    annotation, predictions = label_maps(shape, classes, PREDICTIONS)
    for labels in (annotation, *predictions):
        labels[annotation == VOID] = classes  # a label of no class, because the package has no void
    theirs, ours = (partial(way, annotation, predictions, classes) for way in (_deepmind, _outlines))
    return side_by_side(
        _what(shape, classes),
        ('surface-distance', theirs),
        ('ours, contour', ours),
        rounds=ROUNDS,
        reach=REACH,
        note=_agreement(ours(), theirs(), AGREES),
    )


def _deepmind(annotation: np.ndarray, predictions: list[np.ndarray], classes: int) -> list[tuple[float, float]]:
    scores: list[tuple[float, float]] = []
    for prediction in predictions:
        for c in range(classes):
            distances = surface_distance.compute_surface_distances(annotation == c, prediction == c, (1, 1))
            scores.append(
                (
                    surface_distance.compute_robust_hausdorff(distances, 95),
                    surface_distance.compute_surface_dice_at_tolerance(distances, NSD_TOLERANCE_PX),
                )
            )
    return scores


def _outlines(annotation: np.ndarray, predictions: list[np.ndarray], classes: int) -> list[tuple[float, float]]:
    true = contours(annotation, classes, CONTOUR)
    return [
        (distances.hd95_px, distances.nsd(NSD_TOLERANCE_PX))
        for prediction in predictions
        for distances in distances_between(contours(prediction, classes, CONTOUR), true)
    ]


def _against_monai(shape: tuple[int, int], classes: int) -> Ratio:
    annotation, predictions = label_maps(shape, classes, PREDICTIONS)
    # MONAI has no void: its pixels become one more class, which neither side scores.
    void = annotation == VOID
    one_hot = [
        torch.from_numpy(np.where(void, classes, labels)[None] == np.arange(classes)[:, None, None])[None]
        for labels in (annotation, *predictions)
    ]
    theirs, ours = partial(_monai, *one_hot), partial(_facts, annotation, predictions, classes)
    note = _agreement(ours(), theirs(), AGREES_FLOAT32)
    return side_by_side(
        _what(shape, classes),
        ('MONAI', theirs),
        ('ours, edge (with ASSD and boundary IoU)', ours),
        rounds=ROUNDS,
        note=note,
    )


def _monai(annotation: torch.Tensor, *predictions: torch.Tensor) -> list[tuple[float, float]]:
    scores: list[tuple[float, float]] = []
    for prediction in predictions:
        hd95 = compute_hausdorff_distance(prediction, annotation, include_background=True, percentile=95)
        nsd = compute_surface_dice(
            prediction, annotation, [NSD_TOLERANCE_PX] * annotation.shape[1], include_background=True
        )
        scores += zip(hd95[0].tolist(), nsd[0].tolist())
    return scores


def _facts(annotation: np.ndarray, predictions: list[np.ndarray], classes: int) -> list[tuple[float, float]]:
    truth = Truth(annotation, classes, VOID)
    return _scores([truth.boundary_facts(prediction) for prediction in predictions])


def _kept_against_anew(shape: tuple[int, int], classes: int) -> Ratio:
    annotation, predictions = label_maps(shape, classes, PREDICTIONS)
    kept = partial(_facts, annotation, predictions, classes)

    def anew() -> list[tuple[float, float]]:
        return _scores([boundary_facts(prediction, annotation, classes, VOID) for prediction in predictions])

    return side_by_side(
        _what(shape, classes),
        ('the annotation measured each time', anew),
        ('kept', kept),
        note=_agreement(kept(), anew(), 0),
    )


def _scores(facts: list[dict[str, np.ndarray]]) -> list[tuple[float, float]]:
    return [pair for each in facts for pair in zip(each['hd95_px'], each['edge_close'] / each['edge_total'])]


def _what(shape: tuple[int, int], classes: int) -> str:
    return f'HD95 and NSD, {PREDICTIONS} predictions of one image, {shape[0]}×{shape[1]}, {classes} classes'


def _agreement(ours: list[tuple[float, float]], theirs: list[tuple[float, float]], allowed: float) -> str:
    first, second = np.array(ours), np.array(theirs)
    difference = float(np.max(np.abs(first - second) / np.maximum(np.abs(second), np.finfo(float).tiny)))
    if not difference <= allowed:
        raise AssertionError(f'the scores differ by {difference:.1e} of their size')
    return f'relative difference at most {difference:.1e}'


if __name__ == '__main__':
    main()
