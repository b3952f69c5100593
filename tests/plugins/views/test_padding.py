"""The rule that pads a viewed image to the model's size."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.models import SegDataPreProcessor

from plugins.views.padding import model_input

WHOLE = dict(mode='whole')
SLIDE = dict(mode='slide', crop_size=(64, 96), stride=(32, 48))


def padded(size, *, resized, declared=None, test_cfg=WHOLE):
    """The padded input and meta of an image of ones, normalised to (1 - 3) / 2 = -1."""
    preprocessor = SegDataPreProcessor(mean=[3.0] * 3, std=[2.0] * 3, pad_val=7, test_cfg=declared)
    model = SimpleNamespace(data_preprocessor=preprocessor, test_cfg=ConfigDict(test_cfg))
    viewed = torch.ones(3, *size, dtype=torch.uint8)
    return model_input(model, viewed, dict(ori_shape=size, img_shape=size, pad_shape=(1, 1)), resized=resized)


@pytest.mark.parametrize(
    'size, resized, declared, test_cfg, expected',
    [
        ((50, 70), False, None, WHOLE, (50, 70)),
        ((50, 70), False, None, SLIDE, (50, 70)),
        ((50, 70), True, None, WHOLE, (64, 96)),
        ((32, 70), True, None, WHOLE, (32, 96)),
        ((50, 20), True, None, SLIDE, (64, 96)),
        ((50, 100), True, None, SLIDE, (64, 128)),
        ((50, 70), False, dict(size_divisor=8), WHOLE, (56, 72)),
        ((50, 70), True, dict(size_divisor=8), WHOLE, (56, 72)),
        ((50, 20), True, dict(size_divisor=8), SLIDE, (56, 24)),
        ((50, 70), False, dict(size=(60, 80)), WHOLE, (60, 80)),
        ((50, 70), True, dict(size=(60, 80)), WHOLE, (60, 80)),
        ((50, 81), True, dict(size=(60, 80)), WHOLE, (64, 96)),
    ],
)
def test_size(size, resized, declared, test_cfg, expected):
    inputs, meta = padded(size, resized=resized, declared=declared, test_cfg=test_cfg)
    assert inputs.shape == (1, 3, *expected)
    assert meta == dict(ori_shape=size, img_shape=expected)


@pytest.mark.parametrize('declared', [None, dict(size_divisor=32)])
def test_padding_lies_bottom_right_and_is_not_normalised(declared):
    inputs, _ = padded((40, 50), resized=True, declared=declared)
    assert torch.all(inputs[..., :40, :50] == -1)
    assert torch.all(inputs[..., 40:, :] == 7)
    assert torch.all(inputs[..., 50:] == 7)
