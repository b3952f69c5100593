"""What a kept annotation measures is, bit for bit, what is measured of each pair anew, and what plain code measures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from benchmarks.probes.boundary import boundary_facts
from benchmarks.probes.counts import class_counts, confusion
from benchmarks.probes.truth import Truth
from benchmarks.record import NSD_TOLERANCE_PX


def plain_facts(pred, target, num_classes, ignore_index):
    """One class after the other, with SciPy on whole images."""
    known = target != ignore_index
    steps = max(1, round(0.02 * float(np.hypot(*pred.shape))))
    rows = []
    for c in range(num_classes):
        masks = [(labels == c) & known for labels in (pred, target)]
        a, b = (mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=steps) for mask in masks)
        edges = [mask & ~ndimage.binary_erosion(mask) for mask in masks]
        both = [
            ndimage.distance_transform_edt(~other)[edge] if other.any() else np.full(edge.sum(), np.inf)
            for edge, other in (edges, edges[::-1])
        ]
        defined = all(mask.any() for mask in masks)
        rows.append(
            dict(
                tp=(masks[0] & masks[1]).sum(),
                fp=(masks[0] & ~masks[1]).sum(),
                fn=(~masks[0] & masks[1]).sum(),
                boundary_tp=(a & b).sum(),
                boundary_fp=(a & ~b).sum(),
                boundary_fn=(~a & b).sum(),
                edge_close=sum((d <= NSD_TOLERANCE_PX).sum() for d in both),
                edge_total=sum(d.size for d in both),
                hd95_px=max(np.percentile(d, 95) for d in both) if defined else np.nan,
                assd_px=(both[0].sum() + both[1].sum()) / (both[0].size + both[1].size) if defined else np.nan,
            )
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@st.composite
def images(draw):
    """An annotation with void, and three predictions; blobs of some of the classes, or noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(1, 1), (1, 17), (23, 1), (9, 31), (40, 26)]))
    num_classes = draw(st.sampled_from([1, 2, 5, 19]))
    coarse = draw(st.sampled_from([1, 3, 8]))
    used = rng.permutation(num_classes)[: draw(st.integers(1, num_classes))]

    def labels():
        blocks = rng.choice(used, [-(-side // coarse) for side in shape]).astype(np.uint8)
        return np.kron(blocks, np.ones((coarse, coarse), np.uint8))[: shape[0], : shape[1]]

    target = labels()
    near = np.where(rng.random(shape) < 0.9, target, labels())
    ignore_index = draw(st.sampled_from([255, 0, -1]))
    if ignore_index == 255:
        target[rng.random(shape) < draw(st.sampled_from([0, 0.1, 1]))] = 255
    return target, [near, labels(), near], num_classes, ignore_index


@settings(max_examples=120, deadline=None)
@given(images())
def test_kept_or_anew_or_plain(drawn):
    target, predictions, num_classes, ignore_index = drawn
    truth = Truth(target, num_classes, ignore_index)
    for pred in predictions:
        kept, plain = truth.facts(pred), plain_facts(pred, target, num_classes, ignore_index)
        anew = boundary_facts(pred, target, num_classes, ignore_index)
        anew |= dict(zip(('tp', 'fp', 'fn'), class_counts(confusion(pred, target, num_classes, ignore_index))))
        assert kept.keys() == anew.keys() == plain.keys()
        for name, values in kept.items():
            np.testing.assert_array_equal(values, anew[name])
            if name == 'assd_px':  # a sum, whose last bit depends on the order of its terms
                np.testing.assert_allclose(values, plain[name], rtol=1e-14)
            else:
                np.testing.assert_array_equal(values, plain[name])


@pytest.mark.parametrize('num_classes', [255, 256, 300])
def test_many_classes(num_classes):
    rng = np.random.default_rng(0)
    target, pred = np.array([0, 1, 7, num_classes - 1])[rng.integers(0, 4, (2, 12, 15))]
    target[2:4, 3:9] = 1000
    kept, plain = (
        measure(num_classes)
        for measure in (lambda c: Truth(target, c, 1000).facts(pred), lambda c: plain_facts(pred, target, c, 1000))
    )
    for name in kept:
        np.testing.assert_allclose(kept[name], plain[name], rtol=1e-14)


def test_the_annotation_may_change_afterwards():
    rng = np.random.default_rng(1)
    target, pred = rng.integers(0, 3, (2, 14, 11), dtype=np.uint8)
    before = boundary_facts(pred, target, 3)
    truth = Truth(target, 3)
    target[:] = 0
    for name, values in truth.boundary_facts(pred).items():
        np.testing.assert_array_equal(values, before[name])


def test_what_is_measured_of_the_annotation_is_kept(monkeypatch):
    rng = np.random.default_rng(2)
    target, pred = rng.integers(0, 3, (2, 14, 11), dtype=np.uint8)
    measured = []
    for name in ('bands', 'contours'):
        original = Truth.boundary_facts.__globals__[name]
        monkeypatch.setitem(
            Truth.boundary_facts.__globals__,
            name,
            lambda *args, name=name, original=original: measured.append(name) or original(*args),
        )
    truth = Truth(target, 3)
    for _ in range(3):
        truth.boundary_facts(pred)
    assert sorted(measured) == ['bands'] * 4 + ['contours'] * 4  # of each prediction, and once of the annotation


def test_bad_input_is_named():
    square = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match='target holds the label 3, allowed are 0 to 2 and 255 for void'):
        Truth(square + 3, 3)
    with pytest.raises(ValueError, match=r'target has the shape \(1, 4, 4\)'):
        Truth(square[None], 3)
    with pytest.raises(TypeError, match='target holds float64'):
        Truth(square / 2, 3)
    truth = Truth(square, 3)
    with pytest.raises(ValueError, match='pred holds the label 255, allowed are 0 to 2;'):
        truth.boundary_facts(square + 255)
    with pytest.raises(ValueError, match=r'pred has the shape \(4, 3\) and target \(4, 4\)'):
        truth.boundary_facts(square[:, :3])
    with pytest.raises(TypeError, match='pred holds float64'):
        truth.facts(square / 2)
