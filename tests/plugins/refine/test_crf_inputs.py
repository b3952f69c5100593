"""Features of pixels, groups of maps, and the inputs that every implementation of the dense CRF refuses."""

import numpy as np
import pytest

from plugins.refine.crf_inputs import check_inputs, groups, image_features

GOOD = np.full((2, 3, 4), 0.5, np.float32)
IMAGE = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)


def test_groups_hold_as_many_channels_as_there_is_room_for():
    assert groups([2, 3, 2, 2, 9, 2], 4) == [[0, 2], [3, 5], [1], [4]]
    assert groups([2, 2, 3], 0) == [[0], [1], [2]]
    assert groups([2, 3, 4], 100) == [[0], [1, 2]]


def test_features_are_positions_and_colours_over_their_spreads():
    features = image_features(IMAGE, (2, 4), (1, 2, 10))
    assert features.dtype == np.float32 and features.shape == (5, 12)
    y, x = 2, 3
    np.testing.assert_allclose(features[:, y * 4 + x], [x / 2, y / 4, *(IMAGE[y, x] / (1, 2, 10))], rtol=1e-6)


def test_without_colours_there_are_positions_alone():
    np.testing.assert_array_equal(image_features(IMAGE, 3), image_features(IMAGE, 3, 1)[:2])


def test_a_spread_of_0_gives_features_that_are_not_finite():
    assert not np.isfinite(image_features(IMAGE, 0)).all()


@pytest.mark.parametrize(
    'probs, image, iterations, culprit',
    [
        (GOOD[:1], IMAGE, 1, r'stack \[1 - p, p\]'),
        (GOOD[0], IMAGE, 1, 'C >= 2'),
        (GOOD, IMAGE[:-1], 1, 'image must be uint8'),
        (GOOD, IMAGE.astype(float), 1, 'float64'),
        (GOOD, IMAGE, 0, 'iterations=0'),
        (np.full_like(GOOD, np.nan), IMAGE, 1, 'NaN'),
    ],
)
def test_wrong_inputs_are_named(probs, image, iterations, culprit):
    check_inputs(GOOD, IMAGE, 1)
    with pytest.raises(ValueError, match=culprit):
        check_inputs(probs, image, iterations)
