"""Attention gate: a coarser signal weights the pixels of a skip connection (Oktay et al. 2018)."""

# N images, C channels of the skip, G channels of the gating signal, H×W and h×w pixels
from mmseg.models.utils import resize
from torch import Tensor, nn


class AttentionGate(nn.Module):
    """x · α, α = sigmoid(ψ ReLU(W_x x + W_g g + b_g) + b_ψ), one α in (0, 1) per pixel.

    W_x, W_g and ψ are 1×1 convolutions. As in the paper, the sum is formed on the grid of the coarser signal g: W_x x
    is resampled to this grid, and α back to the grid of x, both bilinearly. If x has twice the size, the resampling to
    the coarser grid is the mean of 2×2 pixels.

    With h hidden channels, the gate has h (C + G + 2) + 1 parameters.

    Source: Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018.

    Args:
        channels: Number of channels C of the skip connection.
        gating_channels: Number of channels G of the gating signal.
        hidden_channels: Number of hidden channels h. None takes half of C, as the authors do, and at least 1.

    Raises:
        ValueError: A number of channels is not positive.
    """

    def __init__(self, channels: int, gating_channels: int, hidden_channels: int | None = None) -> None:
        super().__init__()
        hidden = max(channels // 2, 1) if hidden_channels is None else hidden_channels
        if min(channels, gating_channels, hidden) < 1:
            raise ValueError(
                f'channels={channels}, gating_channels={gating_channels}, hidden_channels='
                f'{hidden_channels}: each must be at least 1'
            )
        self.skip = nn.Conv2d(channels, hidden, 1, bias=False)
        self.gating = nn.Conv2d(gating_channels, hidden, 1)
        self.relu = nn.ReLU()
        self.score = nn.Conv2d(hidden, 1, 1)

    def attention(self, skip: Tensor, gating: Tensor) -> Tensor:
        """The attention α (N, 1, H, W) in (0, 1) of x (N, C, H, W) and g (N, G, h, w)."""
        coarse = resize(self.skip(skip), size=gating.shape[2:], mode='bilinear', align_corners=False)
        alpha = self.score(self.relu(coarse + self.gating(gating))).sigmoid()
        return resize(alpha, size=skip.shape[2:], mode='bilinear', align_corners=False)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """The weighted skip connection x · α (N, C, H, W) of x (N, C, H, W) and g (N, G, h, w)."""
        return skip * self.attention(skip, gating)
