"""The rule by which refinements get 8-bit RGB from whatever a pipeline loads."""

import numpy as np
import pytest

from plugins.hooks.eight_bits import eight_bit_rgb

BYTES = np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32, np.float64])
def test_bytes_stay_as_they_are_in_rgb(dtype):
    seen = eight_bit_rgb(BYTES.astype(dtype), 'a loader')
    np.testing.assert_array_equal(seen, BYTES[..., ::-1])
    assert seen.dtype == np.uint8 and seen.flags.c_contiguous


@pytest.mark.parametrize('image', [BYTES[..., 0], BYTES[..., :1]])
def test_one_channel_is_repeated(image):
    np.testing.assert_array_equal(eight_bit_rgb(image, 'a loader'), np.repeat(BYTES[..., :1], 3, axis=-1))


def test_of_four_channels_the_first_three_are_colours():
    four = np.concatenate([BYTES, 255 - BYTES[..., :1]], axis=-1)
    np.testing.assert_array_equal(eight_bit_rgb(four, 'a loader'), BYTES[..., ::-1])


@pytest.mark.parametrize('channels', [2, 5, 13])
def test_other_numbers_of_channels_are_refused(channels):
    with pytest.raises(
        ValueError, match=rf'LoadBands gives an image of 4×4×{channels} .*has {channels} channels; load'
    ):
        eight_bit_rgb(np.zeros((4, 4, channels), np.uint8), 'LoadBands')


@pytest.mark.parametrize('dtype', [np.uint16, np.int32, np.float32])
def test_deep_images_are_scaled_linearly_over_their_range(dtype):
    deep = np.array([[1000, 1255, 1510]]).astype(dtype)
    assert eight_bit_rgb(deep, 'a loader')[..., 0].tolist() == [[0, 128, 255]]


def test_all_channels_are_scaled_alike_so_that_colours_stay():
    deep = np.array([[[0, 1000, 4000], [2000, 2000, 2000]]], np.uint16)
    assert eight_bit_rgb(deep, 'a loader').tolist() == [[[255, 64, 0], [128, 128, 128]]]


def test_a_hot_pixel_does_not_darken_the_others():
    deep = np.tile(np.linspace(1000, 2000, 100).astype(np.uint16), (100, 1))
    hot = deep.copy()
    hot[3, 4] = 65535
    seen, expected = eight_bit_rgb(hot, 'a loader'), eight_bit_rgb(deep, 'a loader')
    assert seen[3, 4, 0] == 255
    seen[3, 4] = expected[3, 4]
    np.testing.assert_array_equal(seen, expected)


def test_a_few_bright_pixels_on_an_even_ground_are_seen():
    deep = np.full((100, 100), 500, np.uint16)
    deep[5, 5:8] = 700
    assert sorted(np.unique(eight_bit_rgb(deep, 'a loader')).tolist()) == [0, 255]


def test_even_and_infinite_images_are_black():
    assert not eight_bit_rgb(np.full((3, 3), 700, np.uint16), 'a loader').any()
    assert not eight_bit_rgb(np.full((3, 3), np.nan), 'a loader').any()
    seen = eight_bit_rgb(np.array([[0.0, 0.5, 1.0, np.nan, np.inf]]), 'a loader')[0, :, 0]
    assert seen.tolist() == [0, 128, 255, 0, 0]
