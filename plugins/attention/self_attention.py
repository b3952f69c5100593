"""Multi-head self-attention over the pixels of a feature map, with fewer keys than pixels (Vaswani et al. 2017)."""

# N images, C channels, H×W pixels, h heads of d channels, r pixels averaged along each side for one key
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from plugins.arguments import check_whole

ALIGNMENT = 8  # fused attention kernels need a multiple of this as channels per head


def reduction_for(height: int, width: int, max_keys: int) -> int:
    """The smallest r for which ceil(height / r) * ceil(width / r) <= max_keys.

    With 256 keys, a map of 512×512 pixels has r = 32. Maps of 128×128, 64×64 and 32×32 pixels have r = 8, 4 and 2, as
    in PVT and SegFormer.
    """
    reduction = 1
    while -(-height // reduction) * -(-width // reduction) > max_keys:
        reduction += 1
    return reduction


@MODELS.register_module()
class SelfAttention(nn.Module):
    """y = x + gate · Wo [head_1, …, head_h], head = softmax(Q Kᵀ / √d) V, with one query per pixel.

    The queries are Q = Wq z for each pixel of z = LayerNorm(x) over channels. The keys and values are K = Wk z' and
    V = Wv z' for each pixel of z', the average of z over windows of r×r pixels. Windows at the lower and right border
    may be smaller, so that any size works. r is the smallest number that gives at most ``max_keys`` windows
    (:func:`reduction_for`). Averaging has no parameters, so one block serves all image sizes. With r = 1 the block is
    equivariant to permutations of pixels, because it has no positional encoding.

    Memory: H W max_keys scores for each head instead of (H W)². For a map of 512×512 pixels these are 67 million
    instead of 69 billion scores, or 0.25 GiB instead of 256 GiB in float32. PyTorch's fused attention, if it has a
    kernel for the device, does not store the scores; the memory then grows with (H W + max_keys) h d.

    The gate is one number with the initial value 0, so the block is the identity at first. In the first step only the
    gate has a gradient other than 0; from the second step on, all parameters are trained.

    The scores stay finite in float16 for all activations, because z is normalised. On CUDA, the backward pass of fused
    attention is deterministic only under ``torch.use_deterministic_algorithms(True)``.

    The block has 4 C h d + C + 2 C + 1 parameters: Wq, Wk, Wv and Wo, the bias of Wo, LayerNorm, and the gate. By
    default, d = C / (2 h), rounded up to a multiple of 8: the heads together have half of C channels, as in Wang et al.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; over pixels: Wang et al., "Non-local Neural
    Networks", CVPR 2018; gate: Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019; fewer keys:
    Wang et al., "Pyramid Vision Transformer", ICCV 2021 (strided convolution), and "PVT v2", 2022 (averages).

    Args:
        channels: Number of channels C of the features, at least 2; no multiple of h is needed.
        num_heads: Number of heads h.
        head_channels: Number of channels d of each head; None derives it from C.
        max_keys: Largest number of windows. H W or more means no reduction.

    Raises:
        ValueError: An argument is not positive, or C is 1, because LayerNorm would give 0 for a single channel.
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
            check_whole(name, value, least)
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
        """The features after attention, of the shape (N, C, H, W) of the input."""
        pixels = self.norm(features.flatten(2).transpose(1, 2))
        windows = self._averaged(pixels, features.shape)
        attended = F.scaled_dot_product_attention(
            *map(self._by_head, (self.query(pixels), self.key(windows), self.value(windows)))  # type: ignore[arg-type]
        )
        update = self.out(attended.transpose(1, 2).flatten(2))
        update = (self.gate * update).to(features.dtype).transpose(1, 2)
        return features + update.unflatten(2, features.shape[2:])

    def _averaged(self, pixels: Tensor, shape: torch.Size) -> Tensor:
        """The averages of windows (N, number of windows, C) of pixels (N, HW, C)."""
        reduction = reduction_for(*shape[2:], self.max_keys)  # type: ignore[call-arg]
        # Not adaptive_avg_pool2d, whose gradient is not deterministic on CUDA.
        return F.avg_pool2d(pixels.transpose(1, 2).reshape(shape), reduction, ceil_mode=True).flatten(2).transpose(1, 2)

    def _by_head(self, projected: Tensor) -> Tensor:
        """Split (N, L, h d) into heads (N, h, L, d)."""
        return projected.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
