"""Elastic deformation: laws of the field, and images and masks that bend alike."""

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS
from scipy.ndimage import map_coordinates

from plugins.transforms.elastic import ElasticDeformation, displacement, warped


def sample(height=40, width=60):
    rng = np.random.default_rng(0)
    mask = (np.add.outer(np.arange(height), np.arange(width)) // 25 % 3).astype(np.uint8)
    image = np.stack([mask * 80, 255 - mask * 80, rng.integers(0, 255, mask.shape)], -1).astype(np.uint8)
    return dict(
        img=image, gt_seg_map=mask, gt_edge_map=(mask == 1).astype(np.uint8), seg_fields=['gt_seg_map', 'gt_edge_map']
    )


def bent(seed=0, source=None, **settings):
    np.random.seed(seed)
    return ElasticDeformation(**settings).transform(source or sample())


def test_no_strength_changes_nothing_bit_for_bit():
    before, after = sample(), bent(prob=1.0, strength=0.0)
    assert all(np.array_equal(before[key], after[key]) for key in ('img', 'gt_seg_map', 'gt_edge_map'))


def test_equal_vectors_shift_by_them():
    image = sample()['img']
    field = displacement(image.shape[:2], np.tile([3.0, -2.0], (3, 3, 1)))
    np.testing.assert_allclose(field, np.tile([3.0, -2.0], (*image.shape[:2], 1)), atol=1e-5)
    out = warped(image, np.round(field), cv2.INTER_LINEAR, fill=7)
    assert np.array_equal(out[2:, :-3], image[:-2, 3:])  # out(x, y) = image(x + 3, y - 2)
    assert (out[:2] == 7).all() and (out[:, -3:] == 7).all()


def test_the_field_passes_through_its_vectors():
    vectors = np.random.default_rng(1).normal(size=(3, 3, 2))
    field = displacement((45, 63), vectors)
    assert field.shape == (45, 63, 2) and field.dtype == np.float32
    np.testing.assert_allclose(field[7::15, 10::21], vectors, atol=1e-5)  # the centres of 3×3 cells
    np.testing.assert_allclose(np.abs(np.diff(field, axis=0)).max(), 0, atol=0.5)


def test_images_are_sampled_as_scipy_does():
    image = sample()['img']
    field = displacement((40, 60), np.random.default_rng(2).normal(0, 4, (3, 3, 2)))
    rows, columns = np.mgrid[:40, :60].astype(float)
    where = [rows + field[..., 1], columns + field[..., 0]]
    inside = (where[0] > 0) & (where[0] < 39) & (where[1] > 0) & (where[1] < 59)
    ours = warped(image, field, cv2.INTER_LINEAR, 0)
    for channel in range(3):
        expected = map_coordinates(image[..., channel].astype(float), where, order=1)
        # OpenCV rounds coordinates to 1/32 of a pixel
        assert np.abs(ours[..., channel] - expected)[inside].max() <= 255 / 32 * 2 + 1
        assert np.abs(ours[..., channel] - expected)[inside].mean() < 2


def test_no_label_is_invented_and_the_outside_is_void_and_black():
    after = bent(prob=1.0, strength=0.2)
    assert set(np.unique(after['gt_seg_map'])) == {0, 1, 2, 255}
    void = after['gt_seg_map'] == 255
    assert np.array_equal(after['gt_edge_map'] == 255, void)
    assert np.array_equal(after['gt_edge_map'] == 1, after['gt_seg_map'] == 1)
    far = cv2.erode(void.astype(np.uint8), np.ones((3, 3)))  # at the very border half of the colour is the image's
    assert far.any() and (after['img'][far == 1] == 0).all()


def test_the_void_label_may_be_another_one_but_there_must_be_one():
    usual, other = (bent(prob=1.0, strength=0.2, **void)['gt_seg_map'] for void in ({}, dict(seg_pad_val=254)))
    assert np.array_equal(other, np.where(usual == 255, 254, usual)) and (other == 254).any()
    with pytest.raises(ValueError, match='give the head an ignore_index'):
        ElasticDeformation(seg_pad_val=None)


def test_image_and_mask_bend_alike():
    after = bent(prob=1.0, strength=0.05)
    inner = after['gt_seg_map'] != 255
    shown = np.rint(after['img'][..., 0] / 80)
    agree = (shown == after['gt_seg_map'])[inner].mean()
    assert agree > 0.95 and not np.array_equal(after['gt_seg_map'], sample()['gt_seg_map'])


def test_displacements_are_as_strong_as_asked():
    transform = ElasticDeformation(prob=1.0, strength=0.03, points=4)
    np.random.seed(0)
    vectors = np.stack([transform._vectors(50) for _ in range(400)])
    assert vectors.shape == (400, 4, 4, 2)
    assert vectors.std() == pytest.approx(1.5, rel=0.03) and abs(vectors.mean()) < 0.05


def test_the_share_of_bent_images_is_prob():
    transform = ElasticDeformation(prob=0.25)
    np.random.seed(0)
    assert 200 < sum(transform._vectors(50) is not None for _ in range(1000)) < 300


def test_draws_are_numpys_and_inputs_are_not_changed():
    source = sample()
    kept = source['img'].copy()
    first, again, other = bent(3, source, prob=1.0), bent(3, prob=1.0), bent(4, prob=1.0)
    assert np.array_equal(first['img'], again['img']) and not np.array_equal(first['img'], other['img'])
    assert np.array_equal(sample()['img'], kept)


def test_it_runs_in_a_plain_pipeline(plain_run):
    runner = plain_run(transforms=[dict(type='ElasticDeformation', prob=1.0)], steps=2)
    runner.train()
    with DefaultScope.overwrite_default_scope('mmseg'):
        assert TRANSFORMS.get('ElasticDeformation') is ElasticDeformation
    assert 'ElasticDeformation(prob=1.0' in repr(runner.train_dataloader.dataset.pipeline)


@pytest.mark.parametrize(
    'settings, message',
    [(dict(prob=-0.1), 'no probability'), (dict(strength=-1), 'strength'), (dict(points=1), 'points')],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ElasticDeformation(**settings)
