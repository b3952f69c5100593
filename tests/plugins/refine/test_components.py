"""Connected components on drawn label maps, and against scipy per class."""

import numpy as np
import pytest
from scipy import ndimage

from plugins.refine.components import Components, components


def drawn(*rows):
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


@pytest.mark.parametrize('connectivity', [4, 8])
@pytest.mark.parametrize('min_size, keep_largest', [(6, False), (1, True), (6, True)])
@pytest.mark.parametrize('classes', [None, [0, 2, 255]])
def test_removed_pixels_are_those_of_scipy_per_class(connectivity, min_size, keep_largest, classes):
    rng = np.random.default_rng(0)
    labels = np.array([0, 1, 2, 255], np.uint8)[ndimage.zoom(rng.integers(0, 4, (20, 25)), 2, order=0)]
    structure = np.ones((3, 3)) if connectivity == 8 else None
    removed = np.zeros(labels.shape, bool)
    for index in [1, 2, 255] if classes is None else classes:
        ids, count = ndimage.label(labels == index, structure)
        sizes = ndimage.sum_labels(np.ones(labels.shape), ids, np.arange(1, count + 1))
        small = sizes < min_size
        if keep_largest:
            small |= np.arange(count) != sizes.argmax()
        removed |= np.isin(ids, np.flatnonzero(small) + 1)
    cleaned = components(
        labels, min_size=min_size, keep_largest=keep_largest, classes=classes, connectivity=connectivity
    )
    assert removed.any()
    np.testing.assert_array_equal(cleaned[~removed], labels[~removed])
    # Each removed pixel has the label of one of the remaining pixels nearest to it (OpenCV's mask: within 2 %).
    kept = [ndimage.distance_transform_edt(removed | (labels != index)) for index in (0, 1, 2, 255)]
    nearest = np.min([d for d, index in zip(kept, (0, 1, 2, 255)) if (~removed & (labels == index)).any()], axis=0)
    chosen = np.select([cleaned == index for index in (0, 1, 2, 255)], kept)
    assert (chosen <= 1.03 * nearest)[removed].all()


def test_speck_takes_the_label_around_it():
    before = drawn('1111000', '1211020', '1111000')
    after = drawn('1111000', '1111000', '1111000')
    np.testing.assert_array_equal(components(before, min_size=2), after)


def test_a_component_of_exactly_min_size_stays():
    before = drawn('0000', '0220', '0000')
    np.testing.assert_array_equal(components(before, min_size=2), before)
    np.testing.assert_array_equal(components(before, min_size=3), np.zeros((3, 4)))


def test_connectivity_decides_about_diagonals():
    before = drawn('0000', '0200', '0020', '0000')
    np.testing.assert_array_equal(components(before, min_size=2, connectivity=8), before)
    np.testing.assert_array_equal(components(before, min_size=2, connectivity=4), np.zeros((4, 4)))


def test_keep_largest_works_per_class():
    before = drawn('110010', '000000', '202202')
    after = drawn('110000', '000000', '002200')
    np.testing.assert_array_equal(components(before, keep_largest=True), after)


def test_the_background_is_spared_unless_named():
    hole = drawn('1111', '1011', '1111')
    np.testing.assert_array_equal(components(hole, min_size=2), hole)
    np.testing.assert_array_equal(components(hole, min_size=2, classes=[0]), np.ones((3, 4)))
    np.testing.assert_array_equal(components(hole, min_size=2, background=None), np.ones((3, 4)))


def test_when_nothing_would_remain_nothing_is_removed():
    before = drawn('12', '21')
    np.testing.assert_array_equal(components(before, min_size=9, background=None), before)


def test_nothing_to_remove_gives_an_equal_new_array():
    before = drawn('1111', '2222')
    after = components(before, min_size=4, keep_largest=True)
    np.testing.assert_array_equal(after, before)
    assert after.dtype == np.uint8 and not np.shares_memory(after, before)


@pytest.mark.parametrize(
    'arguments, culprit',
    [
        ({}, 'removes nothing'),
        (dict(min_size=1), 'removes nothing'),
        (dict(min_size=5, connectivity=6), 'connectivity=6'),
    ],
)
def test_arguments_that_mean_nothing_are_refused_when_built(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        Components(**arguments)


def test_labels_of_another_dtype_are_refused():
    with pytest.raises(ValueError, match='int64'):
        components(np.zeros((3, 3), np.int64), min_size=2)


def test_transform_drops_the_probabilities():
    results = Components(min_size=2)(dict(labels=drawn('000', '020', '000'), probs=np.zeros((3, 3, 3))))
    assert 'probs' not in results
    np.testing.assert_array_equal(results['labels'], np.zeros((3, 3)))
    assert (Components.takes, Components.gives) == ('labels', 'labels')
