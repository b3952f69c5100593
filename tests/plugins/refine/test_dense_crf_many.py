"""Many maps on one lattice against pydensecrf one by one: to rounding everywhere, to the bit where that is promised."""

import platform
import sys

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from scipy.special import softmax
from sklearn.datasets import load_sample_image

from plugins.refine import dense_crf_many as module
from plugins.refine.dense_crf import DenseCRF, dense_crf
from plugins.refine.dense_crf_many import dense_crf_many

RNG = np.random.default_rng(0)
ASYMMETRIC = dict(
    gaussian_sxy=(2, 5), gaussian_compat=1.5, bilateral_sxy=(9, 4), bilateral_srgb=(30, 60, 15), bilateral_compat=0.7
)
IMAGES = dict(
    photograph=np.ascontiguousarray(load_sample_image('flower.jpg')[::6, ::6]),
    noise=RNG.integers(0, 256, (40, 31, 3), dtype=np.uint8),
    constant=np.full((60, 60, 3), 130, np.uint8),
    tiny=RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8),
    line=RNG.integers(0, 256, (1, 50, 3), dtype=np.uint8),
    two_blocks=np.ascontiguousarray(load_sample_image('china.jpg')[100:165, :301]),
)


def maps(n_classes, image, dtype=np.float32):
    """Smooth probabilities with some zeros and ones."""
    height, width = image.shape[:2]
    coarse = RNG.normal(size=(n_classes, height // 8 + 2, width // 8 + 2)) * 2
    fine = np.kron(coarse, np.ones((8, 8)))[:, :height, :width] + RNG.normal(size=(n_classes, height, width))
    probs = softmax(fine, axis=0)
    probs[:, 0] = np.eye(n_classes)[RNG.integers(0, n_classes, width)].T
    return probs.astype(dtype)


@pytest.mark.parametrize('name', IMAGES)
@pytest.mark.parametrize(
    'n_classes, iterations, arguments', [(2, 5, {}), (2, 10, ASYMMETRIC), (3, 1, ASYMMETRIC), (3, 10, {}), (21, 5, {})]
)
def test_equals_pydensecrf(assert_equal_to_rounding, name, n_classes, iterations, arguments):
    image = IMAGES[name]
    probs = maps(n_classes, image)
    (refined,) = dense_crf_many([probs], image, iterations=iterations, **arguments)
    assert_equal_to_rounding(refined, dense_crf(probs, image, iterations=iterations, **arguments))


@pytest.mark.skipif(sys.platform != 'linux' or platform.machine() != 'x86_64', reason='pydensecrf rounds otherwise')
@pytest.mark.parametrize('n_classes', [2, 3, 4, 5, 6, 7, 8, 12, 21])
@pytest.mark.parametrize('name', IMAGES)
def test_is_pydensecrf_bit_for_bit(name, n_classes):
    image = IMAGES[name]
    probs = maps(n_classes, image)
    for iterations, refined in zip((1, 10), dense_crf_many([probs], image, iterations=(1, 10)), strict=True):
        np.testing.assert_array_equal(refined[0], dense_crf(probs, image, iterations=iterations))


@pytest.mark.parametrize(
    'weights', [dict(gaussian_compat=0), dict(bilateral_compat=0), dict(gaussian_compat=0, bilateral_compat=0)]
)
def test_equals_pydensecrf_without_kernels_of_no_weight(assert_equal_to_rounding, weights):
    image = IMAGES['noise']
    probs = maps(4, image)
    (refined,) = dense_crf_many([probs], image, **weights)
    assert_equal_to_rounding(refined, dense_crf(probs, image, **weights))


@pytest.mark.parametrize(
    'arguments',
    [
        dict(bilateral_sxy=0.5, bilateral_srgb=3),
        dict(gaussian_sxy=0.1),
        dict(bilateral_sxy=1000, bilateral_srgb=500, gaussian_sxy=300),
    ],
)
def test_equals_pydensecrf_with_narrow_and_wide_spreads(assert_equal_to_rounding, arguments):
    image = IMAGES['photograph'][:40, :51]
    probs = maps(2, image)
    (refined,) = dense_crf_many([probs], image, **arguments)
    assert_equal_to_rounding(refined, dense_crf(probs, image, **arguments))


def test_strong_weights_do_not_overflow():
    image = IMAGES['noise']
    probs = maps(3, image)
    strong = dict(gaussian_compat=200, bilateral_compat=500)
    (refined,) = dense_crf_many([probs], image, **strong)
    # Energies of 700 are rounded to 3e-5: that is what two correct results may differ by, and more.
    np.testing.assert_allclose(refined, dense_crf(probs, image, **strong), atol=1e-4)
    np.testing.assert_allclose(refined.sum(0), 1, atol=1e-5)


def several(image):
    return [maps(n_classes, image) for n_classes in (2, 3, 2, 21, 5, 2)]


@pytest.mark.parametrize('limit', [None, 1])
def test_shared_equals_single_bit_for_bit(monkeypatch, limit):
    image = IMAGES['photograph']
    probs = several(image)
    expected = [dense_crf_many([one], image)[0] for one in probs]
    if limit:
        monkeypatch.setattr(module, 'GROUP_BYTES', limit)
    for ours, alone in zip(dense_crf_many(probs, image), expected, strict=True):
        np.testing.assert_array_equal(ours, alone)


@pytest.mark.parametrize('threads', [2, 5])
def test_threads_do_not_change_a_bit(threads):
    image = IMAGES['two_blocks']
    assert image[..., 0].size > module.BLOCK
    probs = several(image)
    for one, many in zip(dense_crf_many(probs, image), dense_crf_many(probs, image, threads=threads), strict=True):
        np.testing.assert_array_equal(many, one)


def test_several_iterations_equal_separate_runs():
    image = IMAGES['photograph']
    probs = [maps(2, image), maps(3, image)]
    counts = (10, 1, 5)
    for count, refined in zip(counts, dense_crf_many(probs, image, iterations=counts), strict=True):
        for ours, alone in zip(refined, dense_crf_many(probs, image, iterations=count), strict=True):
            np.testing.assert_array_equal(ours, alone)


def test_no_maps():
    assert dense_crf_many([], IMAGES['tiny']) == []
    assert dense_crf_many([], IMAGES['tiny'], iterations=(1, 2)) == [[], []]


def test_double_precision_and_strided_inputs():
    image = IMAGES['photograph']
    probs = maps(3, image, np.float64)
    (expected,) = dense_crf_many([probs.astype(np.float32)], image)
    refined = dense_crf_many([probs, np.asfortranarray(probs)], np.asfortranarray(image))
    np.testing.assert_array_equal(refined[1], refined[0])
    assert np.abs(refined[0] - expected).max() < 1e-5


def test_inputs_stay_as_they_were():
    image, probs = IMAGES['noise'].copy(), maps(3, IMAGES['noise'])
    before = probs.copy()
    dense_crf_many([probs], image)
    assert (probs == before).all() and (image == IMAGES['noise']).all()


GOOD = maps(2, IMAGES['tiny'])


@pytest.mark.parametrize(
    'probs, image, arguments, culprit',
    [
        (GOOD[:1], IMAGES['tiny'], {}, r'stack \[1 - p, p\]'),
        (GOOD, IMAGES['tiny'][:-1], {}, 'image must be uint8'),
        (GOOD, IMAGES['tiny'].astype(np.float32), {}, 'float32'),
        (GOOD, IMAGES['tiny'], dict(iterations=0), 'iterations=0'),
        (GOOD, IMAGES['tiny'], dict(iterations=(5, 0)), 'iterations=0'),
        (np.full_like(GOOD, np.nan), IMAGES['tiny'], {}, 'NaN'),
        (GOOD, IMAGES['tiny'], dict(threads=0), 'threads=0'),
        (GOOD, IMAGES['tiny'], dict(bilateral_srgb=0), 'bilateral_srgb=0: give a finite number above 0'),
        (GOOD, IMAGES['tiny'], dict(gaussian_sxy=1e-6), 'larger spreads'),
    ],
)
def test_wrong_inputs_are_named(probs, image, arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        dense_crf_many([GOOD, probs], image, **arguments)


@pytest.mark.parametrize('implementation', ['pydensecrf', 'shared_lattice', 'torch_lattice'])
def test_transform_of_many_equals_transform_of_each_bit_for_bit(assert_equal_to_rounding, implementation):
    image = IMAGES['noise']
    crf = DenseCRF(iterations=3, implementation=implementation, **ASYMMETRIC)
    results = [dict(probs=probs, labels=None, img=image, name=n) for n, probs in enumerate(several(image))]
    for refined, one in zip(crf.transform_many(results), results, strict=True):
        alone = crf(one)
        assert refined['name'] == one['name'] and refined['labels'].dtype == np.uint8
        np.testing.assert_array_equal(refined['probs'], alone['probs'])
        np.testing.assert_array_equal(refined['labels'], alone['labels'])
        assert_equal_to_rounding(refined['probs'], dense_crf(one['probs'], image, iterations=3, **ASYMMETRIC))
    assert crf.transform_many([]) == []


def test_transform_uses_the_implementation_that_is_asked_for():
    image = IMAGES['photograph']
    results = dict(probs=maps(3, image), labels=None, img=image)
    np.testing.assert_array_equal(
        DenseCRF(implementation='shared_lattice', threads=2)(results)['probs'],
        dense_crf_many([results['probs']], image)[0],
    )
    np.testing.assert_array_equal(DenseCRF()(results)['probs'], dense_crf(results['probs'], image))


def test_transform_passes_its_threads():
    with pytest.raises(ValueError, match='threads=0'):
        DenseCRF(implementation='shared_lattice', threads=0)(dict(probs=GOOD, img=IMAGES['tiny']))


@pytest.mark.parametrize(
    'arguments, culprit',
    [
        (dict(implementation='fast'), "implementation='fast'"),
        (dict(threads=2), "threads=2 needs implementation='shared_lattice', but it is 'pydensecrf'"),
        (dict(threads=2, implementation='torch_lattice'), "'shared_lattice', but it is 'torch_lattice'"),
        (dict(device='cuda'), "device='cuda' needs implementation='torch_lattice', but it is 'pydensecrf'"),
        (dict(device='cuda', implementation='shared_lattice'), "needs implementation='torch_lattice'"),
        *(
            (dict(device=device, implementation='torch_lattice'), f"device='{device}' must be 'cpu' or 'cuda'")
            for device in ('gpu', 'cuda:0', 'cpu:0', 'meta')
        ),
    ],
)
def test_wrong_arguments_of_the_transform_are_named(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        DenseCRF(**arguments)


def test_a_gpu_that_torch_cannot_use_is_named_when_the_transform_is_built(monkeypatch):
    crf = dict(type='DenseCRF', implementation='torch_lattice', device='cuda')
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(ValueError, match="device='cuda', but .* no GPU .* use implementation='shared_lattice'"):
        TRANSFORMS.build(dict(crf))
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    assert TRANSFORMS.build(dict(crf)).device == 'cuda'


def test_maps_of_different_images_are_refused():
    results = [dict(probs=GOOD, labels=None, img=image) for image in (IMAGES['tiny'], IMAGES['tiny'] // 2)]
    with pytest.raises(ValueError, match='of one image'):
        DenseCRF().transform_many(results)
