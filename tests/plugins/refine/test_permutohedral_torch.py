"""The lattice in torch operations against the compiled lattice, on the CPU and on a GPU."""

import numpy as np
import pytest
import torch

from plugins.refine.permutohedral import LANES, PermutohedralLattice
from plugins.refine.permutohedral_torch import TorchPermutohedralLattice

RNG = np.random.default_rng(0)
DEVICES = [
    'cpu',
    pytest.param(
        'cuda', marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')]
    ),
]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('d, n', [(2, 400), (5, 400), (5, 399)])
def test_is_the_compiled_lattice(device, d, n):
    features = RNG.uniform(0, 4, (d, n)).astype(np.float32)
    compiled = PermutohedralLattice(features)
    lattice = TorchPermutohedralLattice(torch.from_numpy(features).to(device))
    np.testing.assert_array_equal(lattice.weights.cpu(), compiled.weights)
    assert lattice.neighbours.shape == (d + 1, 2, compiled.size)
    # Vertices are numbered otherwise: the same numbers stand for the same vertices.
    pairs = set(zip(lattice.vertices.flatten().tolist(), compiled.vertices.flatten().tolist()))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    values = RNG.normal(size=(n, LANES)).astype(np.float32)
    scale = compiled.symmetric_scale()
    np.testing.assert_allclose(lattice.symmetric_scale().cpu(), scale, rtol=1e-6)
    filtered = lattice.filter(torch.from_numpy(values).to(device), torch.from_numpy(scale).to(device))
    np.testing.assert_allclose(filtered.cpu(), compiled.filter(values, scale), atol=1e-5)
