"""The lattice and the dense CRF in torch operations against the compiled ones, and on a GPU against the CPU."""
import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.datasets import load_sample_image

from plugins.refine.dense_crf import dense_crf
from plugins.refine.dense_crf_many import dense_crf_many
from plugins.refine.permutohedral import LANES, PermutohedralLattice
from plugins.refine.permutohedral_torch import TorchPermutohedralLattice, dense_crf_torch

RNG = np.random.default_rng(0)
DEVICES = ['cpu', pytest.param('cuda', marks=[
    pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')])]
PHOTOGRAPH = np.ascontiguousarray(load_sample_image('china.jpg')[::6, :333:5])
ASYMMETRIC = dict(gaussian_sxy=(2, 5), gaussian_compat=1.5, bilateral_sxy=(9, 4), bilateral_srgb=(30, 60, 15),
                  bilateral_compat=0.7)


def maps(n_classes, image):
    return softmax(2 * RNG.normal(size=(n_classes, *image.shape[:2])), axis=0).astype(np.float32)


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


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('arguments', [{}, dict(iterations=10, **ASYMMETRIC), dict(gaussian_compat=0),
                                       dict(gaussian_compat=0, bilateral_compat=0)])
def test_equals_pydensecrf_and_the_compiled_crf(device, arguments):
    several = [maps(n_classes, PHOTOGRAPH) for n_classes in (2, 3, 2)]
    refined = dense_crf_torch(several, PHOTOGRAPH, device=device, **arguments)
    compiled = dense_crf_many(several, PHOTOGRAPH, **arguments)
    for ours, fast, probs in zip(refined, compiled, several, strict=True):
        assert ours.dtype == np.float32 and ours.flags.c_contiguous and ours.shape == probs.shape
        reference = dense_crf(probs, PHOTOGRAPH, **arguments)
        assert np.abs(ours - reference).max() <= 1e-5 and np.abs(ours - fast).max() <= 1e-5
        ordered = np.sort(reference, axis=0)
        apart = ordered[-1] - ordered[-2] > 2e-5
        assert (ours.argmax(0) == reference.argmax(0))[apart].all()


@pytest.mark.parametrize('device', DEVICES)
def test_is_the_same_in_every_run(device):
    flat = np.full((50, 61, 3), 130, np.uint8)
    probs = maps(21, flat)
    first, = dense_crf_torch([probs], flat, device=device)
    np.testing.assert_array_equal(dense_crf_torch([probs], flat, device=device)[0], first)


def test_no_maps_and_wrong_inputs():
    assert dense_crf_torch([], PHOTOGRAPH, device='cpu') == []
    with pytest.raises(ValueError, match='iterations=0'):
        dense_crf_torch([maps(2, PHOTOGRAPH)], PHOTOGRAPH, iterations=0, device='cpu')
    with pytest.raises(ValueError, match='spreads must be more than 0'):
        dense_crf_torch([maps(2, PHOTOGRAPH)], PHOTOGRAPH, bilateral_sxy=0, device='cpu')
