"""Corruptions against scipy and by hand, and that they depend on the image alone."""

import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS
from scipy import ndimage

from plugins.transforms.corrupt import KINDS, CorruptImage, corrupt

EVERY = [(kind, strength) for kind in KINDS for strength in (1, 2, 3)]


def picture(seed=0, shape=(61, 83, 3)):
    """A smooth colour picture with detail, uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(30, 220, (7, 9, *shape[2:]))
    zoom = [shape[0] / 7, shape[1] / 9, *(1 for _ in shape[2:])]
    return np.clip(ndimage.zoom(coarse, zoom, order=1) + rng.normal(0, 6, shape), 0, 255).astype(np.uint8)


IMAGE = picture()


def psnr(changed, image=IMAGE):
    return -10 * np.log10(((changed.astype(float) - image) ** 2).mean() / 255**2)


@pytest.mark.parametrize('kind', KINDS)
def test_more_strength_is_further_from_the_image(kind):
    quality = [psnr(corrupt(IMAGE, kind=kind, strength=strength)) for strength in (1, 2, 3)]
    assert quality[0] > quality[1] > quality[2]


@pytest.mark.parametrize('kind, strength', EVERY)
@pytest.mark.parametrize('shape', [(40, 52), (40, 52, 1), (40, 52, 3)])
def test_shape_and_type_stay_and_the_input_is_left_alone(kind, strength, shape):
    image = picture(3, shape)
    before = image.copy()
    changed = corrupt(image, kind=kind, strength=strength)
    assert changed.shape == shape and changed.dtype == np.uint8 and changed.flags.c_contiguous
    assert (changed != image).any() and (image == before).all()


@pytest.mark.parametrize('strength, sigma', [(1, 0.08), (2, 0.18), (3, 0.38)])
def test_noise_has_its_sigma_and_no_pattern(strength, sigma):
    image = np.full((200, 300, 3), 127, np.uint8)
    image[0, 0] = 126, 127, 128  # not grey, so that each channel has noise of its own
    noise = corrupt(image, kind='gaussian_noise', strength=strength)[1:].astype(float) - 127
    # Of a normal cut at 0 and 255, by simulation.
    expected = np.clip(np.random.default_rng(9).normal(127, 255 * sigma, 400_000), 0, 255).std()
    assert noise.std() == pytest.approx(expected, rel=0.02)
    assert abs(noise.mean()) < 1
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(noise[:-1, :, 0].ravel(), noise[1:, :, 0].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize('strength, sigma', [(1, 1), (2, 3), (3, 6)])
def test_blur_equals_scipy(strength, sigma):
    expected = ndimage.gaussian_filter(IMAGE.astype(float), (sigma, sigma, 0), mode='nearest', truncate=4)
    np.testing.assert_allclose(corrupt(IMAGE, kind='gaussian_blur', strength=strength), expected, atol=1.01)


@pytest.mark.parametrize('strength, factor', [(1, 0.4), (2, 0.2), (3, 0.05)])
def test_contrast_by_hand(strength, factor):
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = [[0, 100], [100, 200]], [[10, 10], [10, 50]], 255
    changed = corrupt(image, kind='contrast', strength=strength)
    np.testing.assert_allclose(changed[..., 0], 100 + factor * np.array([[-100, 0], [0, 100]]), atol=0.5)
    np.testing.assert_allclose(changed[..., 1], 20 + factor * np.array([[-10, -10], [-10, 30]]), atol=0.5)
    assert (changed[..., 2] == 255).all()


def test_jpeg_is_what_pillow_decodes_at_that_quality():
    image = pytest.importorskip('PIL.Image')
    import io

    for strength, quality in ((1, 25), (2, 15), (3, 7)):
        stream = io.BytesIO()
        image.fromarray(IMAGE[..., ::-1]).save(stream, 'JPEG', quality=quality)
        theirs = np.asarray(image.open(stream))[..., ::-1]
        ours = corrupt(IMAGE, kind='jpeg', strength=strength)
        assert np.abs(ours.astype(float) - theirs).mean() < 0.5 < 2 < np.abs(ours.astype(float) - IMAGE).mean()


@pytest.mark.parametrize('kind, strength', EVERY)
def test_a_grey_image_in_three_channels_stays_grey(kind, strength):
    grey = picture(5, (40, 52))
    changed = corrupt(np.repeat(grey[..., None], 3, axis=-1), kind=kind, strength=strength)
    np.testing.assert_array_equal(changed, np.repeat(corrupt(grey, kind=kind, strength=strength)[..., None], 3, -1))


@pytest.mark.parametrize('kind, strength', EVERY)
def test_only_the_image_decides_whatever_the_global_generators(kind, strength):
    transform = TRANSFORMS.build(dict(type='CorruptImage', kind=kind, strength=strength))
    np.random.seed(1)
    first = transform(dict(img=IMAGE.copy()))['img']
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    transform(dict(img=picture(8)))
    again = pickle.loads(pickle.dumps(transform))(dict(img=np.asfortranarray(IMAGE)))['img']
    np.testing.assert_array_equal(again, first)
    assert states[0] == random.getstate() and (states[1] == np.random.get_state()[1]).all()
    assert torch.equal(states[2], torch.get_rng_state())


def test_another_image_kind_or_strength_draws_other_noise():
    image = np.full((32, 32), 128, np.uint8)
    other = image.copy()
    other[0, 0] = 129
    first, changed = (corrupt(one, kind='gaussian_noise', strength=1).astype(float) - 128 for one in (image, other))
    stronger = corrupt(image, kind='gaussian_noise', strength=2).astype(float) - 128
    assert abs(np.corrcoef(first.ravel(), changed.ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(first.ravel(), stronger.ravel())[0, 1]) < 0.1


def test_the_noise_is_what_it_always_was():
    changed = corrupt(np.full((2, 3), 128, np.uint8), kind='gaussian_noise', strength=1)
    assert changed.tolist() == [[118, 104, 125], [110, 124, 152]]


def test_it_says_that_it_changes_the_image_file_and_stands_in_a_pipeline(tmp_path):
    import cv2

    assert CorruptImage.changes_image_file is True
    cv2.imwrite(str(tmp_path / 'a.png'), IMAGE)
    with DefaultScope.overwrite_default_scope('mmseg'):
        load, change = (
            TRANSFORMS.build(config)
            for config in (dict(type='LoadImageFromFile'), dict(type='CorruptImage', kind='gaussian_blur', strength=2))
        )
    results = change(load(dict(img_path=str(tmp_path / 'a.png'))))
    np.testing.assert_array_equal(results['img'], corrupt(IMAGE, kind='gaussian_blur', strength=2))
    assert results['img_shape'] == IMAGE.shape[:2]


@pytest.mark.parametrize(
    'arguments, culprit',
    [
        (dict(kind='fog', strength=1), "kind='fog' is unknown"),
        (dict(kind='jpeg', strength=4), 'strength=4'),
        (dict(kind='jpeg', strength=0), 'strength=0'),
    ],
)
def test_unknown_kinds_and_strengths_are_refused_when_built(arguments, culprit):
    with pytest.raises(ValueError, match=culprit):
        CorruptImage(**arguments)


@pytest.mark.parametrize(
    'image, kind, culprit',
    [
        (IMAGE.astype(np.float32), 'contrast', 'float32'),
        (IMAGE[None], 'contrast', 'must be uint8'),
        (picture(0, (20, 20, 4)), 'jpeg', 'has 4'),
    ],
)
def test_images_that_are_no_file_content_are_refused(image, kind, culprit):
    with pytest.raises(ValueError, match=culprit):
        corrupt(image, kind=kind, strength=1)
