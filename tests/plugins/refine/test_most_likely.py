"""Labels of a map."""

import numpy as np
import pytest

from plugins.refine.most_likely import most_likely


@pytest.mark.parametrize('n_classes', [2, 3, 256])
def test_equals_argmax_with_ties(n_classes):
    maps = np.random.default_rng(0).integers(0, 4, (n_classes, 30, 20)).astype(np.uint16)
    labels = most_likely(maps)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, maps.argmax(0))


@pytest.mark.parametrize('dtype', [np.float32, np.float64, np.int32])
def test_any_real_type_will_do(dtype):
    maps = (10 * np.random.default_rng(1).normal(size=(5, 30, 20))).astype(dtype)
    np.testing.assert_array_equal(most_likely(maps), maps.argmax(0))


def test_the_map_stays_as_it_was():
    maps = np.random.default_rng(2).integers(0, 9, (4, 7, 5)).astype(np.uint16)
    before = maps.copy()
    most_likely(maps)
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize('n_classes', [1, 257])
def test_classes_that_8_bits_cannot_tell_are_refused(n_classes):
    with pytest.raises(ValueError, match=f'has {n_classes}'):
        most_likely(np.zeros((n_classes, 2, 2)))
