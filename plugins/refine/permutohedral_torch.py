"""The permutohedral lattice of :mod:`plugins.refine.permutohedral` in torch operations, for GPUs.

Nothing is compiled. Sums run over the points in their order, without atomic additions: on one device, every run gives
the same bits. The compiled lattice and pydensecrf give other roundings.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from plugins.refine.permutohedral import axis_scales, key_strides


class TorchPermutohedralLattice:
    """The lattice that a set of points spans, on the device of the features; it filters any number of channels.

    The filter is that of :class:`~plugins.refine.permutohedral.PermutohedralLattice`, to rounding.

    Args:
        features: Positions divided by the spreads of the Gaussian, float32 (d, N).

    Attributes:
        vertices: int32 (N, d + 1), the vertices of each point's simplex, numbered from 1. Row 0 of the values on the
            lattice is 0 and stands for vertices that do not exist.
        weights: float32 (N, d + 1), the barycentric coordinates of the points.
        neighbours: int32 (d + 1, 2, M), for each of the M vertices its two neighbours along each axis, 0 for none.

    Raises:
        ValueError: Features are not finite, or so large that the vertices cannot be numbered in 64 bits.
    """

    def __init__(self, features: Tensor) -> None:
        d, n = features.shape
        filled = pad(features, (0, 1 if n % 4 else 0))  # see PermutohedralLattice
        scale = axis_scales(d)
        extremes = torch.stack([filled.amin(1), filled.amax(1)]).double().cpu().numpy()
        strides = key_strides(extremes[0], extremes[1], scale)
        keys, weights = _embedded(filled, torch.from_numpy(scale).to(features), strides)
        distinct, vertices = torch.unique(keys, return_inverse=True)
        self.vertices = (vertices[:n] + 1).int()
        self.weights = weights[:n].contiguous()
        steps = (d + 1) * np.append(strides, 0) - strides.sum()
        self.neighbours = torch.stack(
            [torch.stack([_find(distinct, distinct + int(sign * step)) for sign in (1, -1)]) for step in steps]
        )
        # The transpose of `vertices`: the points of each vertex, one bag per vertex for embedding_bag.
        order = torch.argsort(self.vertices.flatten(), stable=True)
        self.points = (order // (d + 1)).int()
        self.point_weights = self.weights.flatten()[order]
        counts = torch.bincount(self.vertices.flatten(), minlength=len(distinct) + 1)
        self.starts = (counts.cumsum(0) - counts).int()
        self.gain = 1 / (1 + 2.0**-d)

    def filter(self, values: Tensor, scale: Tensor | None = None) -> Tensor:
        """``scale * K(scale * values)``, where K is the filter without normalisation.

        Args:
            values: float32 (N, lanes).
            scale: float32 (N,); None stands for 1.

        Returns:
            float32 (N, lanes).
        """
        scaled = values if scale is None else values * scale[:, None]
        on_lattice = embedding_bag(self.points, scaled, self.starts, mode='sum', per_sample_weights=self.point_weights)
        for before, after in self.neighbours:
            on_lattice = pad(on_lattice[before].add_(on_lattice[after]).mul_(0.5).add_(on_lattice[1:]), (0, 0, 1, 0))
        sliced = embedding_bag(self.vertices, on_lattice, mode='sum', per_sample_weights=self.weights * self.gain)
        return sliced if scale is None else sliced * scale[:, None]

    def symmetric_scale(self) -> Tensor:
        """``s = 1 / sqrt(K 1)``, float32 (N,): ``s K(s v)`` is the symmetrically normalised filter."""
        return (self.filter(self.weights.new_ones(len(self.weights), 1))[:, 0].double() + 1e-20).rsqrt().float()


def _embedded(features: Tensor, scale: Tensor, strides: np.ndarray) -> tuple[Tensor, Tensor]:
    """Embed the points in the lattice: the keys of each point's vertices, and the point's weights on them.

    Returns:
        Keys int64 (N, d + 1) and weights float32 (N, d + 1).

    The steps are those of ``_embed`` in :mod:`plugins.refine.permutohedral`, where they are explained.
    """
    d, n = features.shape
    size, inverse = d + 1, float(np.float32(1) / np.float32(d + 1))
    rows, total = [], features.new_zeros(n)
    for j in range(d, 0, -1):
        feature = features[j - 1] * scale[j - 1]
        rows.append(total - j * feature)
        total = total + feature
    elevated = torch.stack([total, *rows[::-1]])
    lowest = (elevated * inverse).round() * size
    ranks = (lowest / size).sum(0).expand(size, n).clone()
    gaps = elevated - lowest
    for i in range(d):
        for j in range(i + 1, size):
            less = gaps[i] < gaps[j]
            ranks[i] += less
            ranks[j] += ~less
    wrap = size * ((ranks < 0).float() - (ranks >= size).float())
    ranks += wrap
    lowest += wrap
    offsets = torch.zeros_like(elevated).scatter_(0, ranks.long(), (elevated - lowest) * inverse)
    first = offsets[d] + (1 - offsets[0])
    weights = torch.stack([first, *[offsets[d - r] - offsets[d - r + 1] for r in range(1, size)]], 1)
    key = sum(lowest[i].long() * int(strides[i]) for i in range(d))
    keys = [
        key + r * int(strides.sum()) - size * sum((ranks[i] > d - r).long() * int(strides[i]) for i in range(d))
        for r in range(size)
    ]
    return torch.stack(keys, 1), weights  # type: ignore[arg-type]


def _find(distinct: Tensor, keys: Tensor) -> Tensor:
    """Positions of ``keys`` in the sorted keys ``distinct``, counted from 1; 0 for a key that is not there."""
    at = torch.searchsorted(distinct, keys).clamp_(max=len(distinct) - 1)
    return torch.where(distinct[at] == keys, at + 1, 0).int()
