"""Morphology on drawn label maps, and against scipy on binary ones."""

import numpy as np
import pytest
from scipy import ndimage

from plugins.refine.morphology import Morphology, morphology


def drawn(*rows):
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


def disk(radius):
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


@pytest.mark.parametrize('radius', [1, 2, 3])
@pytest.mark.parametrize('seed', range(5))
def test_binary_masks_equal_scipy(radius, seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(37, 52)), 1.5) > 0
    eroded = ndimage.binary_erosion(mask, disk(radius), border_value=1)
    opened = ndimage.binary_dilation(eroded, disk(radius))
    margin = 2 * radius
    closed = ndimage.binary_closing(np.pad(mask, margin), disk(radius))[margin:-margin, margin:-margin]
    labels = mask.astype(np.uint8)
    np.testing.assert_array_equal(morphology(labels, operation='open', radius=radius), opened)
    np.testing.assert_array_equal(morphology(labels, operation='close', radius=radius), closed)
    assert (opened != mask).any() and (closed != mask).any()


def test_opening_removes_the_speck_and_keeps_the_cross():
    before = drawn('0010000', '0111000', '0010020', '0000000')
    after = drawn('0010000', '0111000', '0010000', '0000000')
    np.testing.assert_array_equal(morphology(before, operation='open', radius=1), after)


def test_opened_pixels_go_to_the_nearest_other_class():
    before = drawn('1111222', '1113222', '1111222')
    opened = morphology(before, operation='open', radius=1, classes=[3])
    assert opened[1, 3] in (1, 2)
    opened[1, 3] = 3
    np.testing.assert_array_equal(opened, before)


def test_opened_pixels_never_come_back_to_their_class_nor_to_another_removed_pixel():
    # The 2 and the 3 are both specks; the nearest pixel of each is the other, but only the 1 was kept.
    before = drawn('11111', '12311', '11111')
    np.testing.assert_array_equal(morphology(before, operation='open', radius=1, classes=[2, 3]), np.ones((3, 5)))


def test_opening_at_the_border_ignores_what_lies_outside():
    before = drawn('1100', '1100', '0000')
    np.testing.assert_array_equal(morphology(np.ones((4, 5), np.uint8), operation='open', radius=2), np.ones((4, 5)))
    np.testing.assert_array_equal(morphology(before, operation='open', radius=1)[0, 0], 1)


def test_a_class_that_fills_everything_thin_has_no_other_to_go_to():
    np.testing.assert_array_equal(morphology(drawn('2'), operation='open', radius=1), [[2]])


def test_closing_takes_from_the_background_only():
    before = drawn('0000000', '0110110', '0110110', '0113110', '0110110', '0000000')
    after = drawn('0000000', '0110110', '0111110', '0113110', '0110110', '0000000')
    np.testing.assert_array_equal(morphology(before, operation='close', radius=1, classes=[1]), after)


def test_closing_does_not_reach_for_the_border():
    before = drawn('000', '111', '000')
    np.testing.assert_array_equal(morphology(before, operation='close', radius=1), before)


def test_closing_contested_pixels_go_to_the_class_listed_first():
    # The pixel in the middle and its four neighbours all touch a 1, and all touch a 2.
    before = drawn('00000', '02110', '00000', '01220', '00000')
    assert morphology(before, operation='close', radius=1, classes=[1, 2])[2, 2] == 1
    assert morphology(before, operation='close', radius=1, classes=[2, 1])[2, 2] == 2


def test_another_background():
    before = drawn('77777', '70707', '77777')
    np.testing.assert_array_equal(morphology(before, operation='open', radius=1, background=7), np.full((3, 5), 7))


@pytest.mark.parametrize('operation', ['open', 'close'])
def test_nothing_to_change_gives_an_equal_new_array(operation):
    before = drawn('000000', '001000', '011100', '001000', '000000')
    after = morphology(before, operation=operation, radius=1, classes=[1, 9])
    np.testing.assert_array_equal(after, before)
    assert after.dtype == np.uint8 and not np.shares_memory(after, before)


@pytest.mark.parametrize(
    'arguments, culprit',
    [
        (dict(operation='erode', radius=1), 'erode'),
        (dict(operation='open', radius=0), 'radius=0'),
        (dict(operation='close', radius=1, background=None), 'name it'),
        (dict(operation='close', radius=1, classes=[0, 1]), 'class 0 is the background'),
    ],
)
def test_arguments_that_mean_nothing_are_refused_when_built(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        Morphology(**arguments)


def test_labels_of_another_dtype_are_refused():
    with pytest.raises(ValueError, match='int64'):
        morphology(np.zeros((3, 3), np.int64), operation='open', radius=1)


def test_transform_drops_the_probabilities():
    before = drawn('000', '020', '000')
    results = Morphology(operation='open', radius=1, classes=[2])(dict(labels=before, probs=np.zeros((3, 3, 3))))
    assert 'probs' not in results
    np.testing.assert_array_equal(results['labels'], np.zeros((3, 3)))
    assert (Morphology.takes, Morphology.gives) == ('labels', 'labels')
