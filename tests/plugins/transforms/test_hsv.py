"""Hue, saturation and value against the installed OpenCV."""

import cv2
import mmcv
import numpy as np
import pytest
import torch

from plugins.transforms.hsv import to_bgr, to_hsv

LEVELS = torch.arange(256, dtype=torch.uint8)


@pytest.mark.parametrize('reds', [range(0, 128), range(128, 256)], ids=['dark', 'bright'])
def test_hsv_of_every_colour_is_opencvs(reds):
    for red in reds:
        blue, green = torch.meshgrid(LEVELS, LEVELS, indexing='ij')
        image = torch.stack([blue, green, torch.full_like(blue, red)])
        expected = mmcv.bgr2hsv(image.permute(1, 2, 0).contiguous().numpy())
        np.testing.assert_array_equal(torch.stack(to_hsv(image), dim=-1).numpy(), expected)


@pytest.fixture(scope='module')
def picture():
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, top, (96, 128)) for top in (180, 256, 256)], axis=-1).astype(np.uint8)


def on_device(hsv):
    return to_bgr(*torch.from_numpy(hsv).int().unbind(-1)).permute(1, 2, 0).numpy()


def test_bgr_is_opencvs_in_whole_blocks_of_its_vector_code(picture):
    np.testing.assert_array_equal(on_device(picture), mmcv.hsv2bgr(picture))


def test_bgr_is_opencvs_to_a_grey_level_in_the_last_columns(picture):
    odd = np.ascontiguousarray(picture[:, :77])
    difference = np.abs(on_device(odd).astype(int) - mmcv.hsv2bgr(odd))
    assert difference[:, :64].max() == 0 and difference.max() <= 1


def test_grey_has_no_hue_and_red_is_the_first():
    image = torch.tensor([[[7, 0]], [[7, 0]], [[7, 200]]], dtype=torch.uint8)
    assert [part.tolist() for part in to_hsv(image)] == [[[0, 0]], [[0, 255]], [[7, 200]]]
    assert torch.equal(to_bgr(*to_hsv(image)), image)
    assert cv2.cvtColor(np.uint8([[[0, 0, 200]]]), cv2.COLOR_BGR2HSV).tolist() == [[[0, 255, 200]]]
