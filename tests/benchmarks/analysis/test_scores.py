import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts
from benchmarks.analysis.scores import (
    SCORES,
    boundary_iou_per_image,
    dice_per_image,
    foreground_classes,
    hd95_undefined,
    never_annotated,
    nsd_per_image,
    score,
)

NAN = float('nan')


def cell(area, boundary=None, edge=None, hd95=None, assd=None):
    area = np.array(area, np.int64)
    undefined = np.full(area.shape[:2], NAN)
    return CellCounts(
        area,
        area if boundary is None else np.array(boundary, np.int64),
        area[..., :2] if edge is None else np.array(edge, np.int64),
        undefined if hd95 is None else np.array(hd95, float),
        undefined if assd is None else np.array(assd, float),
    )


# Three images, three classes, class 0 is background: tp, fp, fn.
PICTURE = [
    [[90, 1, 2], [6, 2, 4], [0, 0, 0]],  # class 1: 12/18, class 2 in neither
    [[80, 0, 5], [0, 0, 5], [10, 0, 0]],  # class 1 missed: 0, class 2 perfect: 1
    [[99, 0, 0], [0, 0, 0], [0, 0, 0]],
]  # no foreground at all


def test_dice_is_a_mean_over_images_of_a_mean_over_present_foreground():
    counts, foreground = cell(PICTURE), foreground_classes(3, 0)
    np.testing.assert_allclose(dice_per_image(counts, foreground), [100 * 12 / 18, 50, NAN])
    assert score('dice', counts, foreground) == pytest.approx((100 * 12 / 18 + 50) / 2)


def test_without_a_background_every_class_is_foreground():
    foreground = foreground_classes(3, None)
    assert foreground.tolist() == [0, 1, 2]
    first = (2 * 90 / 183 + 12 / 18) / 2
    second = (160 / 165 + 0 + 1) / 3
    assert score('dice', cell(PICTURE), foreground) == pytest.approx(100 * (first + second + 1) / 3)


def test_boundary_iou_reads_the_boundary_counts():
    boundary = [[[9, 9, 9], [3, 1, 2], [0, 0, 0]], [[9, 9, 9], [0, 0, 4], [2, 0, 0]], [[9, 9, 9], [0] * 3, [0] * 3]]
    counts, foreground = cell(PICTURE, boundary), foreground_classes(3, 0)
    np.testing.assert_allclose(boundary_iou_per_image(counts, foreground), [50, 50, NAN])
    assert score('boundary_iou', counts, foreground) == pytest.approx(50)


def test_hd95_is_a_mean_over_defined_pairs_and_counts_the_undefined():
    counts = cell(PICTURE, hd95=[[0, 3.0, NAN], [0, NAN, 7.0], [0, NAN, NAN]])
    foreground = foreground_classes(3, 0)
    assert score('hd95_px', counts, foreground) == pytest.approx(5.0)
    # Class 1 of the second image is in the truth alone; the pairs absent from both don't count.
    assert hd95_undefined(counts, foreground) == 1


def test_nsd_is_a_mean_over_images_of_a_mean_over_present_foreground():
    edge = [[[9, 9], [3, 12], [0, 0]], [[9, 9], [0, 8], [5, 10]], [[9, 9], [0, 0], [0, 0]]]
    counts, foreground = cell(PICTURE, edge=edge), foreground_classes(3, 0)
    np.testing.assert_allclose(nsd_per_image(counts, foreground), [25, 25, NAN])
    edge[1][2] = [10, 10]
    assert score('nsd', cell(PICTURE, edge=edge), foreground) == pytest.approx((25 + 50) / 2)


def test_assd_is_a_mean_over_defined_pairs():
    counts = cell(PICTURE, assd=[[0, 1.0, NAN], [0, NAN, 4.0], [0, NAN, NAN]])
    assert score('assd_px', counts, foreground_classes(3, 0)) == pytest.approx(2.5)


def test_no_foreground_anywhere_is_undefined_not_zero():
    counts, foreground = cell(PICTURE[2:]), foreground_classes(3, 0)
    assert np.isnan(score('dice', counts, foreground))
    assert np.isnan(score('boundary_iou', counts, foreground))
    assert np.isnan(score('nsd', cell(PICTURE[2:], edge=[[[9, 9], [0, 0], [0, 0]]]), foreground))
    assert np.isnan(score('mdice', counts, foreground)) and np.isnan(score('miou', counts, foreground))


ABSENT = [[[6, 2, 4], [0, 0, 0]], [[2, 0, 0], [0, 0, 0]]]


def test_pooled_scores_leave_out_a_background_that_never_occurs():
    counts, foreground = cell(ABSENT), foreground_classes(2, 1)
    assert score('mdice', counts, foreground) == pytest.approx(100 * 16 / 22)
    assert score('miou', counts, foreground) == pytest.approx(100 * 8 / 14)


@pytest.mark.parametrize('background', [0, None])
@pytest.mark.parametrize('false_alarms', [0, 3])
def test_pooled_scores_are_undefined_where_a_foreground_class_is_in_no_annotation(background, false_alarms):
    area = np.array(ABSENT)
    area[1, 1, 1] = false_alarms  # a network that predicts the class must not decide over the definition
    counts, foreground = cell(area), foreground_classes(2, background)
    assert never_annotated(counts, foreground) == [1]
    assert np.isnan(score('mdice', counts, foreground)) and np.isnan(score('miou', counts, foreground))
    area[0, 1, 2] = 1  # one missed pixel: the class occurs
    assert never_annotated(cell(area), foreground) == [] and score('miou', cell(area), foreground) > 0


def test_a_class_in_the_annotation_of_one_image_alone_leaves_every_other_subset_defined():
    counts = cell([[[6, 2, 4], [5, 0, 0]], [[2, 0, 0], [0, 0, 0]]])
    addends = SCORES['miou'].addends(counts, np.array([1]))
    assert SCORES['miou'].finish(addends[1]) == 100  # as a jackknife leaves the first image out


def test_pooled_sums_stay_exact_where_float32_does_not():
    """500 images of 2,000,001 pixels: mmseg's float32 sum is off by hundreds."""
    addends = SCORES['miou'].addends(cell([[[2_000_001, 1, 0]]] * 500), np.array([0]))
    assert addends.dtype == np.int64
    assert addends.sum(axis=0).tolist() == [1_000_000_500, 500, 0]
    assert SCORES['miou'].finish(addends.sum(axis=0)) == 100 * (1_000_000_500 / 1_000_001_000)


def test_pooled_scores_equal_mmseg():
    torch = pytest.importorskip('torch')
    iou_metric = pytest.importorskip('mmseg.evaluation').IoUMetric
    rng = np.random.default_rng(0)
    classes = 5
    truths = rng.choice([0, 1, 2, 4, 255], p=[0.5, 0.2, 0.15, 0.1, 0.05], size=(6, 40, 50))
    # Class 3 is in neither: mmseg leaves it out of the mean.
    predictions = np.where(rng.random(truths.shape) < 0.7, truths % 255, rng.choice([0, 1, 2], size=truths.shape))
    areas = [
        iou_metric.intersect_and_union(torch.tensor(p), torch.tensor(t), classes, 255)
        for p, t in zip(predictions, truths)
    ]
    totals = [sum(parts) for parts in zip(*areas)]
    theirs = iou_metric.total_area_to_metrics(*totals, metrics=['mIoU', 'mDice'])

    counts = np.zeros((len(truths), classes, 3), np.int64)
    for n, (p, t) in enumerate(zip(predictions, truths)):
        for k in range(classes):
            counts[n, k] = (
                ((p == k) & (t == k)).sum(),
                ((p == k) & (t != k) & (t != 255)).sum(),
                ((p != k) & (t == k)).sum(),
            )
    ours, foreground = cell(counts), foreground_classes(classes, 3)  # a foreground class must occur
    assert np.isnan(theirs['IoU'][3])
    assert score('miou', ours, foreground) == pytest.approx(100 * np.nanmean(theirs['IoU']), abs=1e-4)
    assert score('mdice', ours, foreground) == pytest.approx(100 * np.nanmean(theirs['Dice']), abs=1e-4)


@pytest.mark.parametrize('name', SCORES)
def test_scores_do_not_depend_on_the_order_of_the_images(name):
    rng = np.random.default_rng(3)
    area = rng.integers(0, 50, (9, 4, 3))
    counts = cell(area, rng.integers(0, 9, (9, 4, 3)), rng.integers(1, 9, (9, 4, 2)), *rng.random((2, 9, 4)))
    order = rng.permutation(9)
    shuffled = CellCounts(*(part[order] for part in counts))
    foreground = foreground_classes(4, 2)
    assert score(name, shuffled, foreground) == pytest.approx(score(name, counts, foreground))
