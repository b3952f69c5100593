"""The dense CRF in torch operations against the compiled CRF and pydensecrf, on the CPU and on a GPU."""

import weakref

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.datasets import load_sample_image
from torch.utils._python_dispatch import TorchDispatchMode

from plugins.refine import dense_crf_torch as module
from plugins.refine.crf_inputs import groups, image_features
from plugins.refine.dense_crf import DenseCRF, dense_crf
from plugins.refine.dense_crf_many import dense_crf_many
from plugins.refine.dense_crf_torch import dense_crf_torch
from plugins.refine.permutohedral import PermutohedralLattice

RNG = np.random.default_rng(0)
DEVICES = [
    'cpu',
    pytest.param(
        'cuda', marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')]
    ),
]
PHOTOGRAPH = np.ascontiguousarray(load_sample_image('china.jpg')[::6, :333:5])
ASYMMETRIC = dict(
    gaussian_sxy=(2, 5), gaussian_compat=1.5, bilateral_sxy=(9, 4), bilateral_srgb=(30, 60, 15), bilateral_compat=0.7
)


def maps(n_classes, image):
    return softmax(2 * RNG.normal(size=(n_classes, *image.shape[:2])), axis=0).astype(np.float32)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize(
    'arguments',
    [{}, dict(iterations=10, **ASYMMETRIC), dict(gaussian_compat=0), dict(gaussian_compat=0, bilateral_compat=0)],
)
def test_equals_pydensecrf_and_the_compiled_crf(assert_equal_to_rounding, device, arguments):
    several = [maps(n_classes, PHOTOGRAPH) for n_classes in (2, 3, 2)]
    refined = dense_crf_torch(several, PHOTOGRAPH, device=device, **arguments)
    compiled = dense_crf_many(several, PHOTOGRAPH, **arguments)
    for ours, fast, probs in zip(refined, compiled, several, strict=True):
        assert_equal_to_rounding(ours, dense_crf(probs, PHOTOGRAPH, **arguments))
        assert_equal_to_rounding(ours, fast)


def results_of(several):
    """What :class:`DenseCRF` refines: arrays that cannot be written to."""
    for array in (PHOTOGRAPH, *several):
        array.flags.writeable = False
    return [dict(probs=probs, labels=None, img=PHOTOGRAPH, name=n) for n, probs in enumerate(several)]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('iterations, arguments', [(5, {}), (10, ASYMMETRIC)])
def test_the_transform_equals_pydensecrf_for_one_map_and_for_many(
    assert_equal_to_rounding, device, iterations, arguments
):
    several = [maps(n_classes, PHOTOGRAPH) for n_classes in (2, 3, 21, 2)]
    crf = DenseCRF(iterations, implementation='torch_lattice', device=device, **arguments)
    reference = DenseCRF(iterations, **arguments)
    given = results_of(several)
    for refined, one in zip(crf.transform_many(given), given, strict=True):
        alone, expected = crf(one), reference(one)
        for ours in (refined, alone):
            assert ours['name'] == one['name'] and ours['labels'].dtype == np.uint8
            assert_equal_to_rounding(ours['probs'], expected['probs'])
            np.testing.assert_array_equal(ours['labels'], ours['probs'].argmax(0))
        np.testing.assert_array_equal(alone['probs'], refined['probs'])
    assert crf.transform_many([]) == []


@pytest.mark.parametrize('device', DEVICES)
def test_inputs_stay_as_they_were(device):
    probs, image = maps(3, PHOTOGRAPH), PHOTOGRAPH.copy()
    before = probs.copy()
    DenseCRF(implementation='torch_lattice', device=device)(dict(probs=probs, labels=None, img=image))
    assert (probs == before).all() and (image == PHOTOGRAPH).all()


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('room', [1, 7])
def test_groups_do_not_change_a_bit(device, room, monkeypatch):
    several = [maps(n_classes, PHOTOGRAPH) for n_classes in (2, 3, 2, 21, 5, 2, 2)]
    together, sizes, mean_field = dense_crf_torch(several, PHOTOGRAPH, device=device), [], module._mean_field

    def counted(group, *rest):
        sizes.append(len(group))
        return mean_field(group, *rest)

    monkeypatch.setattr(module, '_mean_field', counted)
    monkeypatch.setattr(module, 'groups', lambda channels, lanes: groups(channels, room))
    for one, other in zip(dense_crf_torch(several, PHOTOGRAPH, device=device), together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sizes == ([1] * 7 if room == 1 else [3, 1, 1, 1, 1])


class Live(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive."""

    def __init__(self):
        super().__init__()
        self.sizes, self.now, self.peak = {}, 0, 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **(options or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in self.sizes:
                storage = tensor.untyped_storage()
                self.sizes[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._forget, storage._cdata)
        self.peak = max(self.peak, self.now)
        return result

    def _forget(self, identity):
        self.now -= self.sizes.pop(identity)


def peak_bytes(several, device, **arguments):
    with Live() as live:
        dense_crf_torch(several, PHOTOGRAPH, iterations=2, device=device, **arguments)
    return live.peak


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('arguments', [{}, dict(bilateral_sxy=5, bilateral_srgb=3)])
def test_the_memory_of_maps_is_as_said_and_does_not_grow_with_their_number(device, arguments, monkeypatch):
    probs, pixels = maps(2, PHOTOGRAPH), PHOTOGRAPH[..., 0].size
    features = image_features(PHOTOGRAPH, arguments.get('bilateral_sxy', 80), arguments.get('bilateral_srgb', 13))
    vertices = PermutohedralLattice(features).size
    said = 2 * (module.BYTES_PER_VALUE * pixels + module.BYTES_PER_VERTEX * vertices)
    at_once = {count: peak_bytes([probs] * count, device, **arguments) for count in (30, 60)}
    assert 0.8 * said < (at_once[60] - at_once[30]) / 30 <= said
    monkeypatch.setattr(module, 'GROUP_BYTES', 30 * said)
    first_results = 30 * probs.nbytes  # on the CPU they stay where they are
    assert peak_bytes([probs] * 60, device, **arguments) <= at_once[30] + first_results < at_once[60] - 10 * said


def test_mixed_precision_around_it_changes_nothing():
    several = [maps(n_classes, PHOTOGRAPH) for n_classes in (2, 3)]
    plain = dense_crf_torch(several, PHOTOGRAPH, device='cpu')
    with torch.autocast('cpu', torch.bfloat16):
        for one, other in zip(dense_crf_torch(several, PHOTOGRAPH, device='cpu'), plain, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('device', DEVICES)
def test_is_the_same_in_every_run(device):
    flat = np.full((50, 61, 3), 130, np.uint8)
    probs = maps(21, flat)
    (first,) = dense_crf_torch([probs], flat, device=device)
    np.testing.assert_array_equal(dense_crf_torch([probs], flat, device=device)[0], first)


def test_no_maps_and_wrong_inputs():
    assert dense_crf_torch([], PHOTOGRAPH, device='cpu') == []
    with pytest.raises(ValueError, match='iterations=0'):
        dense_crf_torch([maps(2, PHOTOGRAPH)], PHOTOGRAPH, iterations=0, device='cpu')
    with pytest.raises(ValueError, match='bilateral_sxy=0: give a finite number above 0'):
        dense_crf_torch([maps(2, PHOTOGRAPH)], PHOTOGRAPH, bilateral_sxy=0, device='cpu')
