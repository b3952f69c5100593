"""Multi-head self-attention over the pixels of a feature map, with fewer keys than pixels (Vaswani et al. 2017)."""

# N images, C channels, H×W pixels, h heads of d channels, r pixels averaged along each side for one key
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

ALIGNMENT = 8  # fused attention kernels want channels per head in multiples of this


def reduction_for(height: int, width: int, max_keys: int) -> int:
    """The smallest r for which ceil(height / r) * ceil(width / r) <= max_keys.

    At 256 keys, 512×512 pixels give r = 32, and 128×128, 64×64, 32×32 pixels the 8, 4, 2 of PVT and SegFormer.
    """
    reduction = 1
    while -(-height // reduction) * -(-width // reduction) > max_keys:
        reduction += 1
    return reduction


@MODELS.register_module()
class SelfAttention(nn.Module):
    """y = x + gate · Wo [head_1, …, head_h], head = softmax(Q Kᵀ / √d) V, where every pixel asks.

    Q = Wq z for each pixel of z = LayerNorm(x) over channels; K = Wk z', V = Wv z' for each pixel of z', the average
    of z over windows of r×r pixels (those at the lower and right border average what they hold, so any size works).
    r is the smallest that leaves at most ``max_keys`` windows (:func:`reduction_for`); it has no parameters, so that
    one block serves any size of image. With r = 1 the block is equivariant to permuting pixels: there are no positions.

    Memory: H W max_keys scores for each head instead of (H W)². For a map of 512×512 pixels these are 67 million
    instead of 69 billion, 0.25 GiB instead of 256 GiB in float32, and PyTorch's fused attention, where it has a kernel
    for the device, never stores them: what remains grows with (H W + max_keys) h d.

    The gate is one number that starts at 0, when the block is the identity. Therefore all other parameters get
    gradient 0 in the first step, in which only the gate moves; from the second step on everything learns.

    Scores stay finite in float16 whatever the activations are, because z is normalised. On CUDA the backward pass of
    fused attention is deterministic under ``torch.use_deterministic_algorithms(True)`` only.

    It has 4 C h d + C + 2 C + 1 parameters: Wq, Wk, Wv, Wo without biases but Wo's, LayerNorm, gate. Unless given,
    d = C / (2 h), rounded up to a multiple of 8: half of C in all, as in Wang et al.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; over pixels: Wang et al., "Non-local Neural
    Networks", CVPR 2018; gate: Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019; fewer keys:
    Wang et al., "Pyramid Vision Transformer", ICCV 2021 (strided convolution), and "PVT v2", 2022 (averages).

    Args:
        channels: C, channels of the features; any number from 2 on, not only multiples of h.
        num_heads: h.
        head_channels: d; None derives it from C.
        max_keys: the most windows that a map is averaged to. H W or more means no reduction.

    Raises:
        ValueError: if an argument is not positive, or there is one channel, of which LayerNorm leaves nothing.
    """

    def __init__(
        self, channels: int, num_heads: int = 4, head_channels: int | None = None, max_keys: int = 256
    ) -> None:
        super().__init__()
        for name, value, least in (
            ('channels', channels, 2),
            ('num_heads', num_heads, 1),
            ('max_keys', max_keys, 1),
            ('head_channels', 1 if head_channels is None else head_channels, 1),
        ):
            if value < least:
                raise ValueError(f'{name}={value}: must be at least {least}')
        if head_channels is None:
            head_channels = -(-channels // (2 * num_heads * ALIGNMENT)) * ALIGNMENT
        self.num_heads, self.max_keys = num_heads, max_keys
        inner = num_heads * head_channels
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, inner, bias=False)
        self.key = nn.Linear(channels, inner, bias=False)
        self.value = nn.Linear(channels, inner, bias=False)
        self.out = nn.Linear(inner, channels)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        pixels = self.norm(features.flatten(2).transpose(1, 2))
        windows = self._averaged(pixels, features.shape)
        attended = F.scaled_dot_product_attention(
            *map(self._by_head, (self.query(pixels), self.key(windows), self.value(windows)))
        )
        update = self.out(attended.transpose(1, 2).flatten(2))
        update = (self.gate * update).to(features.dtype).transpose(1, 2)
        return features + update.unflatten(2, features.shape[2:])

    def _averaged(self, pixels: Tensor, shape: torch.Size) -> Tensor:
        """(N, HW, C) to (N, number of windows, C)."""
        reduction = reduction_for(*shape[2:], self.max_keys)
        # not adaptive_avg_pool2d, the gradient of which is not deterministic on CUDA
        return F.avg_pool2d(pixels.transpose(1, 2).reshape(shape), reduction, ceil_mode=True).flatten(2).transpose(1, 2)

    def _by_head(self, projected: Tensor) -> Tensor:
        """(N, L, h d) to (N, h, L, d)."""
        return projected.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
