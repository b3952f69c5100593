"""The lattice of :mod:`plugins.refine.permutohedral` in torch operations, and the dense CRF on it: for GPUs.

Nothing is compiled. Sums run over the points in their order, without atomic additions, so that results are the same in
every run on one device; they differ from the compiled lattice's, and pydensecrf's, by rounding, which mean field may
amplify a hundred times where neither class wins.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from plugins.refine.dense_crf import LEAST_PROBABILITY, Spread, check_inputs
from plugins.refine.dense_crf_many import groups, image_features
from plugins.refine.permutohedral import axis_scales, key_strides

# What maps that are refined together take on the device stays below this: smaller groups leave a GPU idle.
GROUP_BYTES = 2**30
# At the most that is held at a time: per value the energies, the marginals and what is filtered; per channel and vertex
# the lattice and its neighbours.
BYTES_PER_VALUE, BYTES_PER_VERTEX = 24, 12


class TorchPermutohedralLattice:
    """As :class:`~plugins.refine.permutohedral.PermutohedralLattice`, on the device of the features.

    Args:
        features: Positions divided by the spreads of the Gaussian, float32 (d, N).

    Attributes:
        vertices: int32 (N, d + 1), vertices of each point's simplex, from 1; row 0 of values on the lattice is 0.
        weights: float32 (N, d + 1), barycentric coordinates of the points.
        neighbours: int32 (d + 1, 2, M), the vertices before and after each along each axis, 0 where there is none.
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
        # The transpose of vertices: the points of each vertex in turn, as bags.
        order = torch.argsort(self.vertices.flatten(), stable=True)
        self.points = (order // (d + 1)).int()
        self.point_weights = self.weights.flatten()[order]
        counts = torch.bincount(self.vertices.flatten(), minlength=len(distinct) + 1)
        self.starts = (counts.cumsum(0) - counts).int()
        self.gain = 1 / (1 + 2.0**-d)

    def filter(self, values: Tensor, scale: Tensor | None = None) -> Tensor:
        """``scale * K(scale * values)``, K the filter without normalisation.

        Args:
            values: float32 (N, lanes).
            scale: float32 (N,); None for 1.

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


def dense_crf_torch(
    maps: Sequence[np.ndarray],
    image: np.ndarray,
    *,
    iterations: int = 5,
    gaussian_sxy: Spread = 3,
    gaussian_compat: float = 3,
    bilateral_sxy: Spread = 80,
    bilateral_srgb: Spread = 13,
    bilateral_compat: float = 10,
    device: str | torch.device = 'cuda',
) -> list[np.ndarray]:
    """:func:`~plugins.refine.dense_crf_many.dense_crf_many` on a device.

    Each result is bit for bit the same on one device whatever other maps there are.

    Args:
        maps: float (C, H, W) each; C >= 2 may differ.
        image: uint8 RGB (H, W, 3).
        iterations: Mean-field iterations, at least 1.
        gaussian_sxy: See :func:`~plugins.refine.dense_crf.dense_crf`, as for all kernels.
        gaussian_compat: Weight of the smoothness kernel.
        bilateral_sxy: Spread of the appearance kernel in pixels.
        bilateral_srgb: Spread of the appearance kernel in grey levels.
        bilateral_compat: Weight of the appearance kernel.
        device: Where to compute.

    Returns:
        For each map its marginals, float32 (C, H, W).

        Beside the lattices (some 400 to 700 bytes per pixel while they are built), the device holds 1 GiB at most, or
        what the largest map needs if that is more: 24 bytes per value, and 12 per channel and vertex.

    Raises:
        ValueError: As :func:`~plugins.refine.dense_crf_many.dense_crf_many`.
    """
    for probs in maps:
        check_inputs(probs, image, iterations)
    if not len(maps):
        return []
    kernels = []
    for sxy, srgb, weight in ((gaussian_sxy, None, gaussian_compat), (bilateral_sxy, bilateral_srgb, bilateral_compat)):
        if weight:
            lattice = TorchPermutohedralLattice(torch.from_numpy(image_features(image, sxy, srgb)).to(device))
            kernels.append((lattice, lattice.symmetric_scale(), weight))
    vertices = max((lattice.neighbours.shape[-1] for lattice, *_ in kernels), default=0)
    bytes_per_channel = BYTES_PER_VALUE * image[..., 0].size + BYTES_PER_VERTEX * vertices
    results = [None] * len(maps)
    for group in groups([len(probs) for probs in maps], GROUP_BYTES // bytes_per_channel):
        for m, refined in zip(group, _mean_field([maps[m] for m in group], kernels, iterations, device)):
            results[m] = refined
    return results


def _mean_field(
    maps: list[np.ndarray],
    kernels: list[tuple[TorchPermutohedralLattice, Tensor, float]],
    iterations: int,
    device: str | torch.device,
) -> list[np.ndarray]:
    """Marginals of maps that are on the device at once."""
    sizes = [len(probs) for probs in maps]
    stacked = np.concatenate([probs.reshape(len(probs), -1) for probs in maps], dtype=np.float32)
    log_p = torch.from_numpy(stacked).to(device).T.clamp(LEAST_PROBABILITY, 1).log()
    q = _softmax(log_p, sizes)
    for _ in range(iterations):
        energy = log_p
        for lattice, scale, weight in kernels:
            energy = energy + weight * lattice.filter(q, scale)
        q = _softmax(energy, sizes)
    planes = q.T.contiguous().cpu().numpy()
    return [part.reshape(probs.shape) for part, probs in zip(np.split(planes, np.cumsum(sizes)[:-1]), maps)]


def _softmax(energies: Tensor, sizes: list[int]) -> Tensor:
    """Softmax over the channels of each map, (N, sum of sizes)."""
    if len(set(sizes)) == 1:
        return energies.unflatten(1, (-1, sizes[0])).softmax(-1).flatten(1)
    return torch.cat([energy.softmax(1) for energy in energies.split(sizes, 1)], 1)


def _embedded(features: Tensor, scale: Tensor, strides: np.ndarray) -> tuple[Tensor, Tensor]:
    """Keys int64 (N, d + 1) of the vertices of each point's simplex, and the point's weights on them, float32.

    The steps are those of ``_embed`` in :mod:`plugins.refine.permutohedral`, where they are explained.
    """
    d, n = features.shape
    size, inverse = d + 1, float(np.float32(1) / np.float32(d + 1))
    elevated, total = [], features.new_zeros(n)
    for j in range(d, 0, -1):
        feature = features[j - 1] * scale[j - 1]
        elevated.append(total - j * feature)
        total = total + feature
    elevated = torch.stack([total, *elevated[::-1]])
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
    return torch.stack(keys, 1), weights


def _find(distinct: Tensor, keys: Tensor) -> Tensor:
    """Numbers from 1 of keys among the sorted distinct ones, 0 where they are not."""
    at = torch.searchsorted(distinct, keys).clamp_(max=len(distinct) - 1)
    return torch.where(distinct[at] == keys, at + 1, 0).int()
