"""Cut-out: where the hole is, what is in it, and what is void."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from plugins.transforms.cut_out import SquareCutOut


def sample(height=20, width=30):
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        gt_seg_map=rng.integers(0, 3, (height, width), dtype=np.uint8),
        seg_fields=['gt_seg_map'],
    )


def cut(centre, **settings):
    transform = SquareCutOut(prob=1.0, **settings)
    transform._centre = lambda shape: centre
    return transform.transform(sample())


@pytest.mark.parametrize(
    'centre, rows, columns',
    [
        ((10, 15), slice(6, 14), slice(11, 19)),
        ((0, 0), slice(0, 4), slice(0, 4)),
        ((19, 29), slice(15, 20), slice(25, 30)),
    ],
)
def test_the_hole_is_a_square_around_its_centre_cut_at_the_border(centre, rows, columns):
    before, after = sample(), cut(centre, side=0.4)
    hole = np.zeros((20, 30), bool)
    hole[rows, columns] = True
    mean = before['img'].reshape(-1, 3).mean(0)
    assert np.array_equal(after['img'][~hole], before['img'][~hole])
    assert (np.abs(after['img'][hole] - mean) <= 0.5).all()
    assert np.array_equal(after['gt_seg_map'] == 255, hole)
    assert np.array_equal(after['gt_seg_map'][~hole], before['gt_seg_map'][~hole])


def test_the_void_label_may_be_another_one():
    assert np.array_equal(cut((10, 15), seg_fill=254)['gt_seg_map'] == 254, cut((10, 15))['gt_seg_map'] == 255)


def test_labels_can_be_kept():
    after = cut((10, 15), seg_fill=None)
    assert np.array_equal(after['gt_seg_map'], sample()['gt_seg_map'])
    assert not np.array_equal(after['img'], sample()['img'])


def test_what_was_loaded_is_not_written_to():
    source = sample()
    image, mask = source['img'], source['gt_seg_map']
    np.random.seed(0)
    SquareCutOut(prob=1.0).transform(source)
    assert np.array_equal(image, sample()['img']) and np.array_equal(mask, sample()['gt_seg_map'])
    assert source['img'] is not image and source['gt_seg_map'] is not mask


def test_corners_are_hidden_alike():
    np.random.seed(0)
    transform, hidden = SquareCutOut(prob=1.0), np.zeros((20, 30))
    for _ in range(2000):
        hidden += transform.transform(sample())['gt_seg_map'] == 255
    corners = hidden[[0, 0, -1, -1], [0, -1, 0, -1]] / 2000
    assert np.ptp(corners) < 0.02 and (corners > 0.01).all()
    assert hidden[10, 15] / 2000 == pytest.approx(64 / 600, abs=0.02)


def test_the_share_of_cut_images_is_prob_and_draws_are_numpys():
    transform = SquareCutOut(prob=0.25)
    np.random.seed(0)
    first = [transform._centre((20, 30)) for _ in range(1000)]
    np.random.seed(0)
    assert first == [transform._centre((20, 30)) for _ in range(1000)]
    assert 200 < sum(centre is not None for centre in first) < 300


def test_it_runs_in_a_plain_pipeline(plain_run):
    runner = plain_run(transforms=[dict(type='SquareCutOut', prob=1.0)], steps=2)
    runner.train()
    assert TRANSFORMS.get('SquareCutOut') is SquareCutOut
    assert any(
        (sample['data_samples'].gt_sem_seg.data == 255).any()
        for sample in (runner.train_dataloader.dataset[n] for n in range(3))
    )


@pytest.mark.parametrize(
    'settings, message', [(dict(prob=2), 'no probability'), (dict(side=0), 'no part'), (dict(side=1.1), 'no part')]
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SquareCutOut(**settings)
