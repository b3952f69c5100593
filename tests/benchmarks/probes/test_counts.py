import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from benchmarks.probes.counts import class_counts, confusion


def by_loop(pred, target, num_classes, ignore_index=255):
    counts = np.zeros((num_classes, num_classes), np.int64)
    for p, t in zip(pred.ravel().tolist(), target.ravel().tolist()):
        if t != ignore_index:
            counts[t, p] += 1
    return counts


def test_by_hand_with_void():
    target = np.array([[0, 0, 1], [1, 255, 2]], np.uint8)
    pred = np.array([[0, 1, 1], [1, 2, 0]], np.uint8)
    # rows = target: a 0 taken for 1, a 2 taken for 0, and the void pixel's 2 nowhere
    assert confusion(pred, target, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]


@pytest.mark.parametrize('dtype', [np.uint8, np.int64, np.uint16, np.int8])
def test_agrees_with_sklearn(dtype):
    rng = np.random.default_rng(3)
    target, pred = rng.integers(0, 7, (2, 40, 50)).astype(dtype)
    counts = confusion(pred, target, 9)
    assert counts.dtype == np.int64 and counts.shape == (9, 9)
    np.testing.assert_array_equal(counts, confusion_matrix(target.ravel(), pred.ravel(), labels=range(9)))
    assert not counts[7:].any() and not counts[:, 7:].any()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_agrees_with_a_loop(data):
    num_classes = data.draw(st.sampled_from([1, 2, 5, 255, 256, 300]))
    ignore_index = data.draw(st.sampled_from([-1, 0, 1, 255, 1000]))
    shape = data.draw(st.sampled_from([(0, 3), (1, 1), (6, 5), (2, 3, 4)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    pred, target = rng.integers(0, num_classes, (2, *shape))
    target[rng.random(shape) < 0.2] = ignore_index
    counts = confusion(pred, target, num_classes, ignore_index)
    np.testing.assert_array_equal(counts, by_loop(pred, target, num_classes, ignore_index))
    assert counts.sum() == (target != ignore_index).sum()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_runs_of_equal_labels_agree_with_a_loop(data):
    # Labels are compared eight at a time: runs begin and end anywhere, and so does the array in its memory.
    num_classes = data.draw(st.sampled_from([1, 3, 19, 256]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    length, start = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 9))
    pred, target = (
        np.repeat(rng.integers(0, num_classes, 220, dtype=np.uint8), rng.integers(1, 30, 220))[start:][:length]
        for _ in range(2)
    )
    ignore_index = data.draw(st.sampled_from([-1, 0, 255]))
    target[rng.random(length) < 0.1] = max(ignore_index, 0)
    pred.flags.writeable = data.draw(st.booleans())
    np.testing.assert_array_equal(
        confusion(pred, target, num_classes, ignore_index), by_loop(pred, target, num_classes, ignore_index)
    )


@pytest.mark.parametrize('place', range(19))
def test_one_label_out_of_range_is_found_wherever_it_is(place):
    good, bad = np.zeros((2, 19), np.uint8)
    bad[place] = 2
    for pred, target, name in ((bad, good, 'pred'), (good, bad, 'target')):
        with pytest.raises(ValueError, match=f'{name} holds the label 2'):
            confusion(pred, target, 2)
    bad[:] = 2  # whole words of them
    with pytest.raises(ValueError, match='target holds the label 2'):
        confusion(good, bad, 2)


def test_an_ignored_class_is_still_a_possible_prediction():
    target, pred = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert confusion(pred, target, 2, ignore_index=0).tolist() == [[0, 0], [1, 1]]


def test_arrays_that_are_not_contiguous():
    rng = np.random.default_rng(0)
    target, pred = rng.integers(0, 4, (2, 30, 40), dtype=np.uint8)
    target[3:9, 5:30] = 255
    views = [(a[::-1, ::2], b[::-1, ::2]) for a, b in [(pred, target)]] + [(pred.T, target.T)]
    for p, t in views:
        np.testing.assert_array_equal(confusion(p, t, 4), by_loop(p, t, 4))


def test_counts_beyond_float32_are_exact():
    target = np.zeros(2**25 + 3, np.uint8)
    target[-1] = 1
    assert confusion(np.zeros_like(target), target, 2).tolist() == [[2**25 + 2, 0], [1, 0]]


def test_pooled_counts_stay_exact_where_float32_does_not():
    # mmseg's IoUMetric sums per-image counts in float32 and misses this one.
    image = np.array([[2_000_001, 0], [0, 0]])
    tp, fp, fn = class_counts(sum(image for _ in range(500)))
    assert tp.tolist() == [1_000_000_500, 0]


def test_class_counts_tell_false_positives_from_false_negatives():
    counts = np.array([[5, 2, 0], [1, 7, 0], [0, 4, 0]])
    tp, fp, fn = class_counts(counts)
    assert (tp.tolist(), fp.tolist(), fn.tolist()) == ([5, 7, 0], [1, 6, 0], [2, 1, 4])
    assert all(count.dtype == np.int64 for count in (tp, fp, fn))
    stacked = class_counts(np.stack([counts, counts.T]))
    assert stacked[1].tolist() == [[1, 6, 0], [2, 1, 4]]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'pred has the shape \(2, 3\) and target \(3, 2\)'):
        confusion(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2)


@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
def test_a_label_out_of_range_is_named(dtype):
    good = np.zeros((4, 4), dtype)
    bad = good.copy()
    bad[2, 1] = 3
    with pytest.raises(ValueError, match='pred holds the label 3, allowed are 0 to 2;'):
        confusion(bad, good, 3)
    with pytest.raises(ValueError, match='target holds the label 3, allowed are 0 to 2 and 255 for void'):
        confusion(good, bad, 3)


def test_labels_outside_bytes_are_named_too():
    good = np.zeros(5, np.int64)
    with pytest.raises(ValueError, match='target holds the label -1, 700,'):
        confusion(good, np.array([0, -1, 1, 700, 255]), 3)
    with pytest.raises(ValueError, match='pred holds the label 256,'):
        confusion(np.array([0, 0, 256, 0, 0]), good, 3)


def test_a_prediction_of_void_is_an_error_even_under_void():
    with pytest.raises(ValueError, match='pred holds the label 255'):
        confusion(np.array([0, 255], np.uint8), np.array([0, 255], np.uint8), 2)


def test_scores_are_not_labels():
    with pytest.raises(TypeError, match='pred holds float32'):
        confusion(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.uint8), 2)
