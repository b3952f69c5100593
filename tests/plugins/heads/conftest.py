"""Small backbones of every kind that mmseg has, and what the heads are asked in a segmentor."""

import copy
import warnings

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

import plugins.backbones.efficientnet_lite0  # noqa: F401

BN = dict(type='BN')


@MODELS.register_module()
class TinyConvNeXt(nn.Module):
    """ConvNeXt's pyramid (mmseg takes the original from mmpretrain): patches of 4, then halved, 7×7 depthwise."""

    def __init__(self):
        super().__init__()
        widths = (3, 8, 16, 24, 32)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(before, after, 2 + 2 * (n == 0), 2 + 2 * (n == 0)),
                    nn.Conv2d(after, after, 7, padding=3, groups=after),
                    nn.GELU(),
                )
                for n, (before, after) in enumerate(zip(widths, widths[1:]))
            ]
        )

    def forward(self, images):
        levels = []
        for stage in self.stages:
            images = stage(images)
            levels.append(images)
        return tuple(levels)


# name: (backbone, channels, strides)
BACKBONES = dict(
    resnet=(
        dict(
            type='ResNet',
            depth=18,
            stem_channels=8,
            base_channels=8,
            norm_cfg=BN,
            strides=(1, 2, 2, 2),
            dilations=(1, 1, 1, 1),
            out_indices=(0, 1, 2, 3),
        ),
        [8, 16, 32, 64],
        [4, 8, 16, 32],
    ),
    dilated_resnet=(
        dict(
            type='ResNetV1c',
            depth=18,
            stem_channels=8,
            base_channels=8,
            norm_cfg=BN,
            contract_dilation=True,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
        ),
        [8, 16, 32, 64],
        [4, 8, 8, 8],
    ),
    mobilenet_v2=(
        dict(type='MobileNetV2', widen_factor=0.25, norm_cfg=BN, out_indices=(0, 1, 2, 4, 6)),
        [8, 8, 8, 24, 80],
        [2, 4, 8, 16, 32],
    ),
    mobilenet_v3=(
        dict(type='MobileNetV3', arch='small', norm_cfg=BN, out_indices=(0, 1, 12)),
        [16, 16, 576],
        [2, 4, 8],
    ),
    mit=(
        dict(type='MixVisionTransformer', embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 2, 4]),
        [8, 8, 16, 32],
        [4, 8, 16, 32],
    ),
    swin=(
        dict(type='SwinTransformer', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 4), window_size=4),
        [8, 16, 32, 64],
        [4, 8, 16, 32],
    ),
    convnext=(dict(type='TinyConvNeXt'), [8, 16, 24, 32], [4, 8, 16, 32]),
    unet=(
        dict(
            type='UNet',
            base_channels=4,
            num_stages=3,
            strides=(1, 1, 1),
            enc_num_convs=(1, 1, 1),
            dec_num_convs=(1, 1),
            downsamples=(True, True),
            enc_dilations=(1, 1, 1),
            dec_dilations=(1, 1),
            norm_cfg=BN,
        ),
        [16, 8, 4],
        [4, 2, 1],
    ),
    vit=(
        dict(
            type='VisionTransformer',
            img_size=(64, 48),
            patch_size=16,
            embed_dims=12,
            num_layers=3,
            num_heads=2,
            mlp_ratio=2,
            out_indices=(0, 1, 2),
            output_cls_token=True,
            with_cls_token=True,
        ),
        [12, 12, 12],
        [16, 16, 16],
    ),
    efficientnet_lite0=(dict(type='EfficientNetLite0', out_indices=(0, 1, 2)), [16, 24, 40], [2, 4, 8]),
    one_level=(dict(type='ERFNet', norm_cfg=BN), [16], [2]),
)
# mmseg's UNet needs sizes that its strides divide.
SIZES = dict(unet=(44, 36))
ODD = (65, 47)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture(params=list(BACKBONES))
def backbone(request):
    """(config, channels, strides, size of the images) of each kind of backbone."""
    return *BACKBONES[request.param], SIZES.get(request.param, ODD)


@pytest.fixture
def resnet():
    """(config, channels, strides) of a small ResNet."""
    return BACKBONES['resnet']


@pytest.fixture
def build():
    """Builds a segmentor from its parts, from the same seed each time."""

    def builder(backbone, head, **changes):
        torch.manual_seed(0)
        config = (
            dict(type='EncoderDecoder', backbone=backbone, decode_head=head, train_cfg={}, test_cfg=dict(mode='whole'))
            | changes
        )
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            model = MODELS.build(ConfigDict(copy.deepcopy(config)))
            model.init_weights()
        return model

    return builder


def samples(count, size, classes=3):
    """Ground truth of random blocks of every class, a void corner in the first image."""
    generator = torch.Generator().manual_seed(1)
    result = []
    for n in range(count):
        labels = torch.randint(classes, (1, -(-size[0] // 8), -(-size[1] // 8)), generator=generator)
        labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, : size[0], : size[1]].clone()
        if n == 0:
            labels[:, :3, :3] = 255
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
        sample.set_metainfo(dict(img_shape=size, ori_shape=size, pad_shape=size, padding_size=[0, 0, 0, 0]))
        result.append(sample)
    return result


@pytest.fixture
def ground_truth():
    """Makes a batch's data samples: (count, size, classes=3)."""
    return samples


@pytest.fixture
def step():
    """One training step's losses, after the backward pass, at an odd size."""

    def run(model, size=ODD, classes=3):
        torch.manual_seed(2)
        model.train()
        losses = model.loss(torch.randn(2, 3, *size), samples(2, size, classes))
        model.parse_losses(losses)[0].backward()
        return losses

    return run


@pytest.fixture
def predict():
    """Logits of the whole model at the size of the images."""

    def run(model, size=ODD, classes=3):
        torch.manual_seed(3)
        with torch.no_grad():
            results = model.eval().predict(torch.randn(2, 3, *size), samples(2, size, classes))
        return torch.stack([result.seg_logits.data for result in results])

    return run
