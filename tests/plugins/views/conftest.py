"""Small models and images for tests of test-time augmentation."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

NORM = dict(type='BN')


@pytest.fixture
def build_unet():
    """Builds a U-Net of three stages with weights and statistics of its own, in eval mode."""

    def build(test_cfg=dict(mode='whole'), **head):
        init_default_scope('mmseg')
        config = ConfigDict(
            type='EncoderDecoder',
            data_preprocessor=dict(
                type='SegDataPreProcessor',
                mean=[120.0, 110.0, 100.0],
                std=[50.0, 60.0, 70.0],
                bgr_to_rgb=True,
                pad_val=0,
                seg_pad_val=255,
                test_cfg=dict(size_divisor=8),
            ),
            backbone=dict(
                type='UNet',
                in_channels=3,
                base_channels=4,
                num_stages=3,
                strides=(1, 1, 1),
                enc_num_convs=(1, 1, 1),
                dec_num_convs=(1, 1),
                downsamples=(True, True),
                enc_dilations=(1, 1, 1),
                dec_dilations=(1, 1),
                norm_cfg=NORM,
            ),
            decode_head={
                **dict(
                    type='FCNHead',
                    in_channels=4,
                    in_index=2,
                    channels=4,
                    num_convs=1,
                    concat_input=False,
                    num_classes=3,
                    norm_cfg=NORM,
                ),
                **head,
            },
            train_cfg=dict(),
            test_cfg=test_cfg,
        )
        model = MODELS.build(config)
        generator = torch.Generator().manual_seed(0)
        for name, value in model.state_dict().items():
            if value.is_floating_point() and 'loss' not in name:
                value.copy_(
                    torch.rand(value.shape, generator=generator) + 0.5
                    if name.endswith('running_var')
                    else 0.4 * torch.randn(value.shape, generator=generator)
                )
        return model.eval()

    return build


@pytest.fixture
def batch():
    """Makes a loader's batch of one random image (3, H, W)."""

    def make(size, **meta):
        pixels = np.random.default_rng(0).integers(0, 256, (3, *size), dtype=np.uint8)
        sample = SegDataSample(metainfo={**dict(img_path=None, img_shape=size, ori_shape=size), **meta})
        return dict(inputs=[torch.from_numpy(pixels)], data_samples=[sample])

    return make


class ToySegmentor(nn.Module):
    """The interface of a segmentor around a function of the normalised image; keeps the shapes of its inputs."""

    align_corners = False

    def __init__(self, function, out_channels=3, threshold=0.5):
        super().__init__()
        self.data_preprocessor = SegDataPreProcessor(mean=[120.0] * 3, std=[50.0] * 3, test_cfg=dict(size_divisor=8))
        self.test_cfg = ConfigDict(mode='whole')
        self.function, self.out_channels, self.shapes = function, out_channels, []
        self.decode_head = nn.Identity()
        self.decode_head.threshold = threshold

    def inference(self, inputs, metas):
        assert len(metas) == len(inputs)
        self.shapes.append(tuple(inputs.shape))
        return self.function(inputs)


@pytest.fixture
def toy():
    """The class ToySegmentor."""
    return ToySegmentor
