"""Convolutional block attention: weights of channels, then weights of pixels (Woo et al. 2018)."""

# N images, C channels, H×W pixels
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from plugins.arguments import check_whole

MIN_HIDDEN_CHANNELS = 4  # otherwise 12 or 16 channels at reduction 16 would have a single hidden unit


class ChannelAttention(nn.Module):
    """sigmoid(MLP(mean over pixels) + MLP(max over pixels)), with the same MLP for both, without biases.

    MLP = W1 ReLU(W0 ·) with max(C // reduction, MIN_HIDDEN_CHANNELS) hidden units. It is computed in float32 or wider,
    also under autocast: sums over channels can exceed the range of float16, and inf - inf would be NaN.

    Args:
        channels: Number of channels C.
        reduction: Factor by which the hidden layer is smaller than C.

    Raises:
        ValueError: ``channels`` or ``reduction`` is not positive.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        check_whole('channels', channels)
        check_whole('reduction', reduction)
        if channels < 1 or reduction < 1:
            raise ValueError(f'channels={channels}, reduction={reduction}: both must be at least 1')
        hidden = max(channels // reduction, MIN_HIDDEN_CHANNELS)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """The attention (N, C, 1, 1) in (0, 1) of features (N, C, H, W)."""
        dtype = torch.promote_types(features.dtype, torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            scores = self._mlp(features.mean((2, 3), dtype=dtype)) + self._mlp(features.amax((2, 3)).to(dtype))
            return scores.sigmoid().to(features.dtype)[..., None, None]

    def _mlp(self, pooled: Tensor) -> Tensor:
        """The MLP, computed in the dtype of ``pooled``."""
        squeeze, _, expand = self.mlp
        return F.linear(F.relu(F.linear(pooled, squeeze.weight.to(pooled.dtype))), expand.weight.to(pooled.dtype))  # type: ignore[arg-type]


class SpatialAttention(nn.Module):
    """sigmoid(conv([mean over channels, max over channels])), with a k×k convolution without bias.

    Args:
        kernel_size: Kernel size k, odd, so that the map keeps its size.

    Raises:
        ValueError: ``kernel_size`` is even or not positive.
    """

    def __init__(self, kernel_size: int = 7) -> None:
        super().__init__()
        check_whole('kernel_size', kernel_size)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'kernel_size={kernel_size}: must be odd, or the map would not keep its size')
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """The attention (N, 1, H, W) in (0, 1) of features (N, C, H, W)."""
        pooled = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        return self.conv(pooled).sigmoid()


@MODELS.register_module()
class CBAM(nn.Module):
    """F' = channel(F) * F, then F'' = spatial(F') * F'.

    With h = max(C // reduction, MIN_HIDDEN_CHANNELS) hidden units, it has 2 C h + 2 k² parameters.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018.

    Args:
        channels: Number of channels C of the features.
        reduction: Factor by which the hidden layer of the channel attention is smaller than C.
        kernel_size: Kernel size k of the spatial attention.

    Raises:
        ValueError: See :class:`ChannelAttention` and :class:`SpatialAttention`.
    """

    def __init__(self, channels: int, reduction: int = 16, kernel_size: int = 7) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention(kernel_size)

    def forward(self, features: Tensor) -> Tensor:
        """The weighted features, of the shape (N, C, H, W) of the input."""
        features = self.channel(features) * features
        return self.spatial(features) * features
