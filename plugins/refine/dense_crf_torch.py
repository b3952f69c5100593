"""The dense CRF in torch operations, for GPUs.

Mean field may amplify the lattice's rounding a hundred times at pixels where no class dominates; see
:mod:`plugins.refine.permutohedral_torch`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from plugins.refine.crf_inputs import LEAST_PROBABILITY, Spread, check_inputs, check_kernels, groups, image_features
from plugins.refine.permutohedral_torch import TorchPermutohedralLattice

# Upper bound of the device memory that one group of maps takes. Smaller groups would leave a GPU idle.
GROUP_BYTES = 2**30
# Peak memory of a group. Per value (pixel × channel): the energies, the marginals and the values being filtered. Per
# channel and vertex: the values on the lattice and at the neighbours.
BYTES_PER_VALUE, BYTES_PER_VERTEX = 24, 12


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
    """Mean-field marginals of a dense CRF for several probability maps of one image, computed by torch on a device.

    The energy is that of :func:`~plugins.refine.dense_crf.dense_crf`. On one device, the result for a map is the same
    bit for bit, alone or together with other maps.

    Args:
        maps: Probability maps, float (C, H, W) each; C >= 2 may differ between maps.
        image: uint8 RGB (H, W, 3).
        iterations: Mean-field iterations, at least 1.
        gaussian_sxy: Spread of the smoothness kernel in pixels; a number or (x, y).
        gaussian_compat: Weight of the smoothness kernel.
        bilateral_sxy: Spread of the appearance kernel in pixels; a number or (x, y).
        bilateral_srgb: Spread of the appearance kernel in grey levels; a number or (r, g, b).
        bilateral_compat: Weight of the appearance kernel.
        device: The torch device that computes.

    Returns:
        The marginals of each map, float32 (C, H, W), on the CPU.

        The lattices take 400 to 700 bytes of device memory per pixel while they are built. Beside them, the maps take
        at most 1 GiB, or as much as the largest map needs, if that is more: 24 bytes per value and 12 bytes per channel
        and vertex.

    Raises:
        ValueError: Inputs are wrong (see :func:`~plugins.refine.crf_inputs.check_inputs`), or a spread is 0 or so small
            that the vertices of the lattice cannot be numbered.
    """
    for probs in maps:
        check_inputs(probs, image, iterations)
    check_kernels(iterations, gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb, bilateral_compat)
    if not len(maps):
        return []
    kernels = []
    for sxy, srgb, weight in ((gaussian_sxy, None, gaussian_compat), (bilateral_sxy, bilateral_srgb, bilateral_compat)):
        if weight:
            lattice = TorchPermutohedralLattice(torch.from_numpy(image_features(image, sxy, srgb)).to(device))
            kernels.append((lattice, lattice.symmetric_scale(), weight))
    vertices = max((lattice.neighbours.shape[-1] for lattice, *_ in kernels), default=0)
    bytes_per_channel = BYTES_PER_VALUE * image[..., 0].size + BYTES_PER_VERTEX * vertices
    results: dict[int, np.ndarray] = {}
    for group in groups([len(probs) for probs in maps], GROUP_BYTES // bytes_per_channel):
        for m, refined in zip(group, _mean_field([maps[m] for m in group], kernels, iterations, device)):
            results[m] = refined
    return [results[m] for m in range(len(maps))]


def _mean_field(
    maps: list[np.ndarray],
    kernels: list[tuple[TorchPermutohedralLattice, Tensor, float]],
    iterations: int,
    device: str | torch.device,
) -> list[np.ndarray]:
    """Marginals of one group of maps, which the device holds at the same time."""
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
    """Softmax over the channels of each map; energies and result (N, sum of sizes)."""
    if len(set(sizes)) == 1:
        return energies.unflatten(1, (-1, sizes[0])).softmax(-1).flatten(1)
    return torch.cat([energy.softmax(1) for energy in energies.split(sizes, 1)], 1)
