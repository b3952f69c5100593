import math

import cv2
import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from benchmarks.probes.boundary import assd, boundary_counts, boundary_facts, boundary_iou, hd95, nsd, surface_distances
from benchmarks.record import NSD_TOLERANCE_PX

COUNTED = ('boundary_tp', 'boundary_fp', 'boundary_fn', 'edge_close', 'edge_total')


def mask(picture):
    return np.array([[c == '#' for c in line.strip()] for line in picture.strip().splitlines()])


def smooth_labels(rng, shape, num_classes, noise=0.4):
    """Draw a smooth label map and a perturbed version of it."""

    def field():
        return np.stack(
            [
                cv2.resize(rng.standard_normal((5, 6)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
                for _ in range(num_classes)
            ]
        )

    truth = field()
    return (truth + noise * field()).argmax(0).astype(np.uint8), truth.argmax(0).astype(np.uint8)


def directed_by_hand(a, b):
    edges = [np.argwhere(m & ~binary_erosion(m)) for m in (a, b)]
    pairs = cdist(*edges)
    return pairs.min(1), pairs.min(0)


def hd95_by_hand(a, b):
    if not a.any() or not b.any():
        return math.nan
    return max(np.percentile(d, 95) for d in directed_by_hand(a, b))


def band_counts_by_hand(a, b, ratio):
    steps = max(1, round(ratio * math.sqrt(a.shape[0] ** 2 + a.shape[1] ** 2)))
    a, b = (m & ~binary_erosion(m, np.ones((3, 3)), iterations=steps) for m in (a, b))
    return (a & b).sum(), (a & ~b).sum(), (~a & b).sum()


def test_the_edge_is_what_the_cross_erodes():
    solid = mask("""
        ......
        .####.
        .####.
        .####.
        ......""")
    dot = mask("""
        ......
        ......
        ..#...
        ......
        ......""")
    distances = surface_distances(solid, dot)
    # ten of the twelve pixels are edge; the dot lies on one of the two inner ones
    root2, root5 = math.sqrt(2), math.sqrt(5)
    assert sorted(distances.pred_to_target) == pytest.approx(sorted([1, 1, 1] + [root2] * 4 + [2] + [root5] * 2))
    assert distances.target_to_pred.tolist() == [1.0]


def test_the_image_border_counts_as_outside():
    everything, ring = np.ones((4, 5), bool), np.ones((4, 5), bool)
    ring[1:-1, 1:-1] = False
    assert surface_distances(everything, ring).pred_to_target.size == 2 * 4 + 2 * 5 - 4
    assert hd95(everything, ring) == 0


def test_distances_agree_with_all_pairs():
    rng = np.random.default_rng(0)
    for shape in [(9, 31), (40, 33), (64, 64)]:
        pred, target = smooth_labels(rng, shape, 2)
        pred, target = pred == 1, target == 1
        there, back = directed_by_hand(pred, target)
        distances = surface_distances(pred, target)
        np.testing.assert_allclose(np.sort(distances.pred_to_target), np.sort(there), rtol=1e-6)
        np.testing.assert_allclose(np.sort(distances.target_to_pred), np.sort(back), rtol=1e-6)
        assert hd95(pred, target) == pytest.approx(hd95_by_hand(pred, target), rel=1e-6)
        assert distances.assd_px == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-6)
        assert distances.mean_px == (pytest.approx(there.mean(), rel=1e-6), pytest.approx(back.mean(), rel=1e-6))
        within = (there <= 1.5).sum() + (back <= 1.5).sum()
        assert nsd(pred, target, 1.5) == pytest.approx(within / (len(there) + len(back)))


@pytest.mark.parametrize('shift', [0, 1, 7])
def test_a_shifted_rectangle_is_as_far_as_its_shift(shift):
    target = np.zeros((40, 60), bool)
    target[10:30, 20:26] = True
    pred = np.roll(target, shift, axis=1)
    assert hd95(pred, target) == shift


def test_the_larger_direction_decides():
    target = np.zeros((30, 30), bool)
    target[5:10, 5:10] = True
    pred = target.copy()
    pred[20:24, 5:10] = True  # a spurious island: far from the target, which itself is met everywhere
    distances = surface_distances(pred, target)
    assert not distances.target_to_pred.any()
    assert hd95(pred, target) == hd95(target, pred) == np.percentile(distances.pred_to_target, 95) > 10


@pytest.mark.parametrize('score', [hd95, assd, boundary_iou, lambda a, b: nsd(a, b, 2.0)])
def test_scores_are_symmetric(score):
    pred, target = smooth_labels(np.random.default_rng(5), (50, 70), 2)
    assert score(pred, target) == score(target, pred)


def test_nsd_includes_its_tolerance():
    target = np.zeros((20, 20), bool)
    target[5:15, 5] = True
    pred = np.roll(target, 3, axis=1)
    assert (nsd(pred, target, 3), nsd(pred, target, 2.9)) == (1, 0)


def test_undefined_and_worst_cases():
    empty, dot = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    dot[2, 3] = True
    assert math.isnan(hd95(empty, dot)) and math.isnan(hd95(dot, empty)) and math.isnan(hd95(empty, empty))
    assert math.isnan(assd(empty, dot)) and math.isnan(assd(dot, empty)) and math.isnan(assd(empty, empty))
    assert nsd(empty, dot, 100) == 0 and math.isnan(nsd(empty, empty, 1))
    assert boundary_iou(dot, empty) == 0 and math.isnan(boundary_iou(empty, empty))
    assert surface_distances(dot, empty).pred_to_target.tolist() == [math.inf]
    assert surface_distances(dot, empty).target_to_pred.size == 0
    assert hd95(dot, dot) == 0 and nsd(dot, dot, 0) == boundary_iou(dot, dot) == 1


def test_band_counts_on_a_picture():
    target = mask("""
        .......
        .#####.
        .#####.
        .#####.
        .#####.
        .......""")
    pred = mask("""
        .......
        ..####.
        ..####.
        ..####.
        .......
        .......""")
    # d = 1: bands of 14 and 10 pixels; they share the top row (4) and the right column (2 more)
    assert boundary_counts(pred, target) == (6, 4, 8)
    assert boundary_counts(target, pred) == (6, 8, 4)
    assert boundary_iou(pred, target) == 6 / 18


@pytest.mark.parametrize('ratio', [0.001, 0.02, 0.1, 2.0])
def test_band_counts_agree_with_repeated_erosion(ratio):
    rng = np.random.default_rng(1)
    for shape in [(33, 60), (80, 50)]:
        pred, target = (labels == 1 for labels in smooth_labels(rng, shape, 2))
        assert boundary_counts(pred, target, ratio) == band_counts_by_hand(pred, target, ratio)


def test_a_band_as_wide_as_the_mask_is_the_mask():
    pred, target = (labels == 1 for labels in smooth_labels(np.random.default_rng(2), (40, 40), 2))
    assert boundary_counts(pred, target, 1.0) == ((pred & target).sum(), (pred & ~target).sum(), (~pred & target).sum())


@pytest.mark.parametrize('ignore_index', [255, 1])
def test_facts_are_those_of_each_class_alone(ignore_index):
    pred, target = smooth_labels(np.random.default_rng(4), (70, 90), 5)
    target[:, 40:47] = ignore_index
    target[10:20, 10:30] = ignore_index
    facts = boundary_facts(pred, target, 5, ignore_index)
    known = target != ignore_index
    for c in range(5):
        a, b = (pred == c) & known, (target == c) & known
        counts = facts['boundary_tp'][c], facts['boundary_fp'][c], facts['boundary_fn'][c]
        assert counts == band_counts_by_hand(a, b, 0.02)
        assert facts['hd95_px'][c] == pytest.approx(hd95_by_hand(a, b), rel=1e-6, nan_ok=True)
        distances = surface_distances(a, b)
        both = np.concatenate(distances[:2])
        assert facts['assd_px'][c] == pytest.approx(both.mean() if a.any() and b.any() else math.nan, nan_ok=True)
        assert facts['edge_close'][c] == (both <= NSD_TOLERANCE_PX).sum() and facts['edge_total'][c] == both.size
    assert all(facts[name].dtype == np.int64 for name in COUNTED)
    assert facts['hd95_px'].dtype == facts['assd_px'].dtype == np.float64


def test_absent_classes():
    pred, target = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    target[4:8, 4:8] = 1
    pred[0:2, 0:3] = 2
    facts = boundary_facts(pred, target, 4)
    # 0 in both, 1 only in the target, 2 only in the prediction, 3 in neither
    assert np.isnan(facts['hd95_px']).tolist() == [False, True, True, True]
    assert np.isnan(facts['assd_px']).tolist() == [False, True, True, True]
    assert facts['edge_close'][1:].tolist() == [0, 0, 0]
    assert facts['edge_total'][1:].tolist() == [12, 6, 0]
    assert facts['boundary_tp'][1:].tolist() == [0, 0, 0]
    assert facts['boundary_fp'][1:].tolist() == [0, 6, 0]
    assert facts['boundary_fn'][1:].tolist() == [12, 0, 0]


def test_what_is_predicted_under_void_does_not_matter():
    pred, target = smooth_labels(np.random.default_rng(6), (50, 50), 3)
    target[15:30, 10:45] = 255
    other = np.where(target == 255, 2 - pred, pred).astype(np.uint8)
    assert (other != pred).any()
    expected = boundary_facts(pred, target, 3)
    for name, values in boundary_facts(other, target, 3).items():
        np.testing.assert_array_equal(values, expected[name])


def test_an_image_that_is_all_void():
    facts = boundary_facts(np.ones((8, 8), np.uint8), np.full((8, 8), 255, np.uint8), 2)
    assert np.isnan(facts['hd95_px']).all() and np.isnan(facts['assd_px']).all()
    assert not any(facts[name].any() for name in COUNTED)


@pytest.mark.parametrize('num_classes', [255, 256, 300])
def test_many_classes(num_classes):
    pred, target = smooth_labels(np.random.default_rng(7), (40, 40), 3)
    last = num_classes - 1
    renamed = np.array([0, 1, last])
    facts = boundary_facts(renamed[pred], renamed[target], num_classes, ignore_index=-1)
    few = boundary_facts(pred, target, 3)
    for name, values in facts.items():
        np.testing.assert_array_equal(values[[0, 1, last]], few[name])
    from_bytes = boundary_facts(pred, target, num_classes, ignore_index=-1)
    np.testing.assert_array_equal(from_bytes['boundary_tp'][:3], few['boundary_tp'])


def test_the_input_is_left_alone():
    pred, target = smooth_labels(np.random.default_rng(8), (20, 20), 3)
    target[3:6, 3:6] = 255
    before = pred.copy(), target.copy()
    boundary_facts(pred, target, 3)
    np.testing.assert_array_equal([pred, target], before)


def test_bad_input_is_named():
    square, wide = np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match='pred has the shape'):
        hd95(square, wide)
    with pytest.raises(ValueError, match='target holds the label 2'):
        boundary_iou(square, square + 2)
    with pytest.raises(ValueError, match=r'target has the shape \(1, 4, 4\)'):
        surface_distances(square, square[None])
    with pytest.raises(ValueError, match='pred holds the label 7'):
        boundary_facts(square + 7, square, 3)
