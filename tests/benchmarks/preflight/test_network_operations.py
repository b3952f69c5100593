"""The operations of a network are those that a real pass needs, counted without one."""

import copy

import numpy as np
import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from PIL import Image
from torch import nn

from benchmarks.preflight.network_operations import Inference, network_operations

CHANNELS = 8
HEAD = dict(
    type='FCNHead', in_channels=CHANNELS, in_index=0, channels=CHANNELS, num_convs=1, num_classes=2, concat_input=False
)
HEIGHT, WIDTH = 48, 64
# A pixel's multiply-adds: 3×3 convolutions from 3 to 8 and from 8 to 8 channels, 1×1 from 8 to the 2 classes.
OF_A_PIXEL = 2 * (9 * 3 * CHANNELS + 9 * CHANNELS * CHANNELS + CHANNELS * 2)


@MODELS.register_module()
class CountedConvolution(nn.Module):
    def __init__(self, stride=1, init_cfg=None):
        super().__init__()
        self.convolution = nn.Conv2d(3, CHANNELS, 3, stride, padding=1)

    def forward(self, image):
        return [self.convolution(image)]


@MODELS.register_module()
class DeviceAskingHead(FCNHead):
    """Names its device, as code under autocast does."""

    def forward(self, inputs):
        with torch.autocast(inputs[0].device.type, enabled=False):
            return super().forward(inputs)


@MODELS.register_module()
class ValueAskingHead(FCNHead):
    def forward(self, inputs):
        return super().forward(inputs) if inputs[0].mean() < 1e9 else None


@pytest.fixture
def operations(tmp_path):
    """Counts those of a network for an image of 48×64 pixels."""
    for folder, shape in (('images', (HEIGHT, WIDTH, 3)), ('masks', (HEIGHT, WIDTH))):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / folder / 'a.png')

    def count(backbone=dict(), head=dict(), steps=(), **model):
        dataset = dict(
            type='BaseSegDataset',
            data_root=str(tmp_path),
            data_prefix=dict(img_path='images', seg_map_path='masks'),
            metainfo=dict(classes=('a', 'b')),
            img_suffix='.png',
            pipeline=[dict(type='LoadImageFromFile'), *steps, dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
        )
        network = dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[0.0] * 3, std=[1.0] * 3, size=(16, 16)),
            backbone=dict(type='CountedConvolution') | backbone,
            decode_head=HEAD | head,
            test_cfg=dict(mode='whole'),
        )
        inference = Inference(network | model, dataset)
        before = copy.deepcopy(inference)
        counted = network_operations(inference)
        assert inference == before
        return counted

    return count


def test_all_convolutions_of_a_pass_count(operations):
    assert operations() == OF_A_PIXEL * HEIGHT * WIDTH
    assert operations(backbone=dict(stride=2)) == OF_A_PIXEL * HEIGHT * WIDTH / 4


def test_the_test_pipeline_and_padding_count(operations):
    doubled = [dict(type='Resize', scale_factor=2.0)]
    assert operations(steps=doubled) == 4 * OF_A_PIXEL * HEIGHT * WIDTH
    preprocessor = dict(type='SegDataPreProcessor', mean=[0.0] * 3, std=[1.0] * 3, test_cfg=dict(size_divisor=64))
    assert operations(data_preprocessor=preprocessor) == OF_A_PIXEL * 64 * 64


def test_windows_are_declared_and_do_not_count(operations):
    slide = dict(mode='slide', crop_size=(32, 32), stride=(8, 8))
    assert operations(test_cfg=slide) == operations()


def test_a_head_that_names_its_device_is_counted(operations):
    assert operations(head=dict(type='DeviceAskingHead')) == OF_A_PIXEL * HEIGHT * WIDTH


@pytest.mark.parametrize(
    'culprit', [dict(head=dict(type='ValueAskingHead')), dict(steps=[dict(type='Resize', scale=None)])]
)
def test_what_cannot_run_without_values_says_nothing(operations, culprit):
    assert operations(**culprit) is None
