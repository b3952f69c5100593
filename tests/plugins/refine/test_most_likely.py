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


@pytest.mark.parametrize('n_classes', [1, 257])
def test_classes_that_8_bits_cannot_tell_are_refused(n_classes):
    with pytest.raises(ValueError, match=f'has {n_classes}'):
        most_likely(np.zeros((n_classes, 2, 2)))
