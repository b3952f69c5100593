"""The dense CRF against pydensecrf called by hand, and what it is for."""

import numpy as np
import pytest
from pydensecrf.densecrf import DenseCRF as GeneralCRF
from pydensecrf.densecrf import DenseCRF2D
from pydensecrf.utils import unary_from_softmax
from scipy.special import softmax

from plugins.refine.dense_crf import DenseCRF, dense_crf

RNG = np.random.default_rng(0)
PROBS = softmax(RNG.normal(size=(3, 14, 19)), axis=0).astype(np.float32)
IMAGE = RNG.integers(0, 256, (14, 19, 3), dtype=np.uint8)


def features(image, sxy, srgb=None):
    """Explicit feature vectors x/sx, y/sy[, r/sr, g/sg, b/sb], (2 or 5, H*W)."""
    y, x = np.indices(image.shape[:2])
    planes = [x / sxy[0], y / sxy[1]] + ([] if srgb is None else [image[..., c] / srgb[c] for c in range(3)])
    return np.stack(planes).reshape(len(planes), -1).astype(np.float32)


def by_hand(probs, image, iterations, gaussian, bilateral):
    """The same CRF by pydensecrf's general interface."""
    crf = GeneralCRF(probs[0].size, len(probs))
    crf.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probs)))
    crf.addPairwiseEnergy(features(image, gaussian[0]), compat=gaussian[1])
    crf.addPairwiseEnergy(features(image, *bilateral[:2]), compat=bilateral[2])
    return np.array(crf.inference(iterations)).reshape(probs.shape)


def brute_force(probs, image, iterations, gaussian, bilateral):
    """Mean field with the full kernel matrices, no lattice: q <- softmax(log p + sum_k w_k normalised(k) q)."""
    kernels = []
    for *spreads, weight in (gaussian, bilateral):
        f = features(image, *spreads).T
        kernel = np.exp(-((f[:, None] - f) ** 2).sum(-1) / 2)
        scale = 1 / np.sqrt(kernel.sum(1))
        kernels.append(weight * scale[:, None] * kernel * scale)
    log_p = np.log(probs.reshape(len(probs), -1))
    q = softmax(log_p, axis=0)
    for _ in range(iterations):
        q = softmax(log_p + q @ sum(kernels), axis=0)
    return q.reshape(probs.shape)


ASYMMETRIC = dict(
    iterations=3,
    gaussian_sxy=(2, 5),
    gaussian_compat=1.5,
    bilateral_sxy=(9, 4),
    bilateral_srgb=(30, 60, 15),
    bilateral_compat=0.7,
)
PLAIN_ASYMMETRIC = (3, ((2, 5), 1.5), ((9, 4), (30, 60, 15), 0.7))


def test_equals_explicit_features_with_asymmetric_parameters():
    refined = dense_crf(PROBS, IMAGE, **ASYMMETRIC)
    np.testing.assert_allclose(refined, by_hand(PROBS, IMAGE, *PLAIN_ASYMMETRIC), atol=1e-5)
    assert np.abs(refined - PROBS).max() > 0.1


@pytest.mark.parametrize('iterations', [5, 10])
@pytest.mark.parametrize('n_classes', [2, 5])
def test_equals_pydensecrf_as_its_examples_call_it(iterations, n_classes):
    probs = softmax(RNG.normal(size=(n_classes, 14, 19)), axis=0).astype(np.float32)
    crf = DenseCRF2D(19, 14, n_classes)
    crf.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probs)))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=IMAGE, compat=10)
    expected = np.array(crf.inference(iterations)).reshape(probs.shape)
    np.testing.assert_array_equal(dense_crf(probs, IMAGE, iterations=iterations), expected)


def test_more_iterations_are_other_marginals():
    assert np.abs(dense_crf(PROBS, IMAGE, iterations=10) - dense_crf(PROBS, IMAGE, iterations=5)).max() > 1e-4


def test_approximates_the_mean_field_of_the_documented_energy():
    smooth = IMAGE // 4
    refined = dense_crf(PROBS, smooth, **ASYMMETRIC)
    expected = brute_force(PROBS, smooth, *PLAIN_ASYMMETRIC)
    assert np.abs(refined - expected).mean() < 0.12 * np.abs(refined - PROBS).mean()


def test_output_is_a_contiguous_float32_distribution():
    refined = dense_crf(PROBS, IMAGE)
    assert refined.dtype == np.float32 and refined.flags.c_contiguous
    np.testing.assert_allclose(refined.sum(0), 1, atol=1e-5)


def test_strided_inputs_give_the_same_result():
    strided = np.asfortranarray(PROBS), np.asfortranarray(IMAGE)
    np.testing.assert_array_equal(dense_crf(*strided), dense_crf(PROBS, IMAGE))


def test_read_only_inputs_give_the_same_result():
    probs, image = PROBS.copy(), IMAGE.copy()
    probs.flags.writeable = image.flags.writeable = False
    np.testing.assert_array_equal(dense_crf(probs, image), dense_crf(PROBS, IMAGE))


def test_recovers_the_edge_of_a_noisy_two_colour_image():
    rng = np.random.default_rng(1)
    truth = np.zeros((40, 40), int)
    truth[:, 23:] = 1
    image = np.clip(np.where(truth[..., None], 190, 60) + rng.normal(0, 8, (40, 40, 3)), 0, 255).astype(np.uint8)
    logits = rng.normal(0, 1, (2, 40, 40))
    np.put_along_axis(logits, truth[None], np.take_along_axis(logits, truth[None], 0) + 1, 0)
    probs = softmax(logits, axis=0).astype(np.float32)
    assert (probs.argmax(0) != truth).mean() > 0.15
    assert (dense_crf(probs, image).argmax(0) == truth).all()


def test_without_pairwise_weights_the_clipped_probabilities_return():
    one_hot = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, (6, 5))].transpose(2, 0, 1)
    unpaired = dict(gaussian_compat=0, bilateral_compat=0)
    refined = dense_crf(one_hot, IMAGE[:6, :5], **unpaired)
    np.testing.assert_allclose(refined, one_hot, atol=2.1e-5)
    np.testing.assert_array_equal(refined.argmax(0), one_hot.argmax(0))
    np.testing.assert_allclose(dense_crf(PROBS, IMAGE, **unpaired), PROBS, atol=1e-6)


def test_more_classes_than_8_bits_are_no_limit_of_the_crf():
    probs = softmax(RNG.normal(size=(300, 4, 5)), axis=0).astype(np.float32)
    assert dense_crf(probs, IMAGE[:4, :5]).shape == (300, 4, 5)


def test_inputs_stay_as_they_were():
    probs, image = PROBS.copy(), IMAGE.copy()
    dense_crf(probs, image)
    assert (probs == PROBS).all() and (image == IMAGE).all()


@pytest.mark.parametrize(
    'probs, image, arguments, culprit',
    [
        (PROBS[:1], IMAGE, {}, r'stack \[1 - p, p\]'),
        (PROBS, IMAGE[:-1], {}, 'image must be uint8'),
        (PROBS, IMAGE.astype(np.float32), {}, 'float32'),
        (PROBS, IMAGE, dict(iterations=0), 'iterations=0'),
        (np.full_like(PROBS, np.nan), IMAGE, {}, 'NaN'),
    ],
)
def test_wrong_inputs_are_named(probs, image, arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        dense_crf(probs, image, **arguments)


def test_transform_passes_every_argument_and_sets_probabilities_and_labels():
    arguments = dict(
        iterations=2, gaussian_sxy=2, gaussian_compat=1, bilateral_sxy=7, bilateral_srgb=40, bilateral_compat=2
    )
    results = DenseCRF(**arguments)(dict(probs=PROBS, labels=None, img=IMAGE))
    expected = dense_crf(PROBS, IMAGE, **arguments)
    np.testing.assert_array_equal(results['probs'], expected)
    np.testing.assert_array_equal(results['labels'], expected.argmax(0))
    assert (DenseCRF.takes, DenseCRF.gives) == ('probabilities', 'probabilities')
