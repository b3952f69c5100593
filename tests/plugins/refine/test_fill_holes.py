"""Holes on drawn label maps, and against scipy on binary ones."""

import numpy as np
import pytest
from scipy import ndimage

from plugins.refine.fill_holes import FillHoles, fill_holes


def drawn(*rows):
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


@pytest.mark.parametrize('connectivity', [4, 8])
@pytest.mark.parametrize('seed', range(4))
def test_a_binary_mask_equals_scipy(connectivity, seed):
    mask = np.random.default_rng(seed).random((23, 31)) < 0.62
    expected = ndimage.binary_fill_holes(mask, None if connectivity == 4 else np.ones((3, 3)))
    filled = fill_holes(mask.astype(np.uint8), connectivity=connectivity)
    assert (expected != mask).any() and (expected != True).any()  # noqa: E712
    np.testing.assert_array_equal(filled, expected)


@pytest.mark.parametrize('max_size', [1, 2, 5])
@pytest.mark.parametrize('classes', [None, [1], [2, 0]])
def test_several_classes_equal_scipy_hole_by_hole(max_size, classes):
    labels = ndimage.zoom(np.random.default_rng(7).choice([0, 1, 2], p=[0.2, 0.5, 0.3], size=(21, 27)), (1, 2), order=0)
    labels = labels.astype(np.uint8)
    expected, best = labels.copy(), np.full(labels.shape, np.inf)
    for index in [1, 2] if classes is None else sorted(classes):
        inside = ndimage.binary_fill_holes(labels == index) & (labels != index)
        ids, count = ndimage.label(inside)
        for n in range(1, count + 1):
            hole = ids == n
            if hole.sum() <= max_size:
                closer = hole & (hole.sum() < best)
                expected[closer], best[closer] = index, hole.sum()
    filled = fill_holes(labels, max_size=max_size, classes=classes)
    assert (filled != labels).any() or max_size == 1
    np.testing.assert_array_equal(filled, expected)


def test_a_hole_takes_the_class_around_it_and_a_bay_stays():
    before = drawn('0000000', '0111110', '0101010', '0111010', '0000000')
    after = drawn('0000000', '0111110', '0111010', '0111010', '0000000')
    np.testing.assert_array_equal(fill_holes(before), after)


def test_a_hole_of_exactly_max_size_is_filled():
    before = drawn('11111', '10101', '10111', '11111')
    after = drawn('11111', '10111', '10111', '11111')
    np.testing.assert_array_equal(fill_holes(before, max_size=1), after)
    np.testing.assert_array_equal(fill_holes(before, max_size=2), np.ones((4, 5)))


def test_what_touches_the_border_is_no_hole():
    before = drawn('1110', '1011', '1111', '0111')
    np.testing.assert_array_equal(fill_holes(before), drawn('1110', '1111', '1111', '0111'))


def test_connectivity_decides_about_diagonals():
    before = drawn('01110', '11011', '10111', '11110', '01100')
    leaking = drawn('0110', '1011', '1111')
    np.testing.assert_array_equal(fill_holes(before), drawn('01110', '11111', '11111', '11110', '01100'))
    np.testing.assert_array_equal(fill_holes(leaking), drawn('0110', '1111', '1111'))
    open_at_a_corner = drawn('0011', '1101', '1011', '1111')
    np.testing.assert_array_equal(fill_holes(open_at_a_corner, connectivity=8), drawn('0011', '1101', '1011', '1111'))


NESTED = drawn('11111111', '11222211', '12200221', '12001021', '12200221', '11222211', '11111111')


def test_nested_holes_go_to_the_innermost_class():
    # White matter (2) within grey matter (1) is a hole of 1; the background within is a hole of 2, and of 1.
    only_2 = drawn('11111111', '11222211', '12222221', '12222221', '12222221', '11222211', '11111111')
    np.testing.assert_array_equal(fill_holes(NESTED, classes=[2]), only_2)
    by_both = fill_holes(NESTED)
    assert (by_both[NESTED == 2] == 1).all()  # the ring itself is filled by 1 as long as no size forbids it ...
    assert (by_both[2:5, 3:5] == 2).all()
    np.testing.assert_array_equal(fill_holes(NESTED, max_size=9), only_2)  # ... as this does


def test_order_of_the_classes_does_not_matter():
    np.testing.assert_array_equal(fill_holes(NESTED, classes=[2, 1]), fill_holes(NESTED, classes=[1, 2]))


def test_the_background_is_spared_unless_named():
    island = drawn('0000', '0110', '0000')
    np.testing.assert_array_equal(fill_holes(island), island)
    np.testing.assert_array_equal(fill_holes(island, classes=[0]), np.zeros((3, 4)))
    np.testing.assert_array_equal(fill_holes(island, background=None), np.zeros((3, 4)))


def test_class_255_is_a_class_like_any_other():
    ring = np.where(drawn('111', '101', '111') == 1, 255, 3).astype(np.uint8)
    assert (fill_holes(ring) == 255).all()


def test_nothing_to_fill_gives_an_equal_new_array():
    before = drawn('1111', '2222')
    after = fill_holes(before)
    np.testing.assert_array_equal(after, before)
    assert after.dtype == np.uint8 and not np.shares_memory(after, before)


@pytest.mark.parametrize(
    'arguments, culprit', [(dict(max_size=0), 'max_size=0'), (dict(connectivity=6), 'connectivity=6')]
)
def test_arguments_that_mean_nothing_are_refused_when_built(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        FillHoles(**arguments)


def test_labels_of_another_dtype_are_refused():
    with pytest.raises(ValueError, match='int64'):
        fill_holes(np.zeros((3, 3), np.int64))


def test_transform_passes_every_argument_and_drops_the_probabilities():
    before = drawn('11111', '10101', '10111', '11111')
    results = FillHoles(max_size=1, classes=[1], background=None, connectivity=8)(
        dict(labels=before, probs=np.zeros((2, 4, 5)))
    )
    assert 'probs' not in results
    np.testing.assert_array_equal(results['labels'], fill_holes(before, max_size=1))
    assert (FillHoles.takes, FillHoles.gives, FillHoles.needs_image) == ('labels', 'labels', False)
