import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from plugins.preprocessors.multi_scale import MultiScaleSegDataPreProcessor, drawn_size, target_shape

NORMALISE = dict(mean=[10.0, 20.0, 30.0], std=[2.0, 3.0, 4.0], bgr_to_rgb=True)


def batch(shapes=((16, 16), (16, 16)), levels=(0, 1, 2, 255)):
    """Loader output: bytes (3, H, W) and labels (1, H, W) drawn from ``levels``."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randint(0, 256, (3, *shape), generator=generator, dtype=torch.uint8) for shape in shapes]
    samples = []
    for shape in shapes:
        labels = torch.tensor(levels)[torch.randint(0, len(levels), (1, *shape), generator=generator)]
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=dict(img_shape=shape)))
    return dict(inputs=inputs, data_samples=samples)


def build(sizes, **settings):
    settings = dict(dict(size=(16, 16), seed=0), **settings)
    return MODELS.build(dict(type='MultiScaleSegDataPreProcessor', sizes=sizes, **NORMALISE, **settings))


def shapes_of(preprocessor, count):
    return [tuple(preprocessor(batch(), training=True)['inputs'].shape[-2:]) for _ in range(count)]


def test_every_size_is_drawn_about_equally_often():
    sizes = [8, 16, (24, 12)]
    draws = [drawn_size(sizes, 7, n) for n in range(3000)]
    assert all(850 < sum(draw == size for draw in draws) < 1150 for size in sizes)


def test_draws_depend_on_seed_and_batch_alone():
    sizes = [8, 16, 24, 32]
    draws = shapes_of(build(sizes), 30)
    assert set(draws) == {(8, 8), (16, 16), (24, 24), (32, 32)}
    assert draws == shapes_of(build(sizes), 30)
    assert draws == [(drawn_size(sizes, 0, n),) * 2 for n in range(30)]
    assert draws != shapes_of(build(sizes, seed=1), 30)


def test_the_draw_is_frozen():
    # the same on every machine and Python: a changed draw changes every published number
    assert [drawn_size([64, 96, 128], 0, n) for n in range(10)] == [96, 128, 96, 128, 128, 96, 96, 128, 64, 64]


def test_without_a_seed_the_runs_own_is_taken():
    torch.manual_seed(5)
    torch.rand(3)  # the generator's state moves, its seed stays
    assert shapes_of(build([8, 16, 24], seed=None), 12) == shapes_of(build([8, 16, 24], seed=5), 12)


def test_global_random_states_are_untouched():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    shapes_of(build([8, 24], seed=None), 3)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_testing_neither_resizes_nor_counts():
    plain = MODELS.build(dict(type='SegDataPreProcessor', size=(16, 16), **NORMALISE))
    ours = build([8, 24])
    expected = shapes_of(build([8, 24]), 6)
    torch.testing.assert_close(ours(batch())['inputs'], plain(batch())['inputs'])
    drawn = []
    for _ in range(6):
        assert ours(batch(), training=False)['inputs'].shape[-2:] == (16, 16)
        drawn += shapes_of(ours, 1)
    assert drawn == expected


def test_images_are_those_of_the_parent_resized():
    plain = MODELS.build(dict(type='SegDataPreProcessor', size=(16, 16), **NORMALISE))(batch(), training=True)
    ours = build([(10, 24)])(batch(), training=True)
    expected = F.interpolate(plain['inputs'], (10, 24), mode='bilinear', align_corners=False)
    torch.testing.assert_close(ours['inputs'], expected)


def test_the_size_it_has_changes_nothing():
    plain = MODELS.build(dict(type='SegDataPreProcessor', size=(16, 16), **NORMALISE))(batch(), training=True)
    ours = build([16])(batch(), training=True)
    assert torch.equal(ours['inputs'], plain['inputs'])
    for a, b in zip(ours['data_samples'], plain['data_samples']):
        assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data) and a.metainfo == b.metainfo


@pytest.mark.parametrize('size', [(8, 8), (24, 24), (11, 37)])
def test_no_label_is_invented_and_void_stays(size):
    data = build([size])(batch(levels=(0, 3, 255)), training=True)
    for sample in data['data_samples']:
        labels = sample.gt_sem_seg.data
        assert labels.shape == (1, *size) and labels.dtype == torch.int64
        assert set(labels.unique().tolist()) == {0, 3, 255}


def test_labels_and_images_stay_aligned():
    # a label map with its own picture: nearest labels lie within half a pixel of the bilinear ramp
    for size in (8, 12, 24, 48):
        data = batch()
        ramp = torch.arange(16).expand(16, 16)
        data['inputs'] = [ramp.expand(3, 16, 16).to(torch.uint8) for _ in range(2)]
        for sample in data['data_samples']:
            sample.gt_sem_seg = PixelData(data=ramp[None].clone())
        out = MultiScaleSegDataPreProcessor([size], seed=0, size=(16, 16))(data, training=True)
        gap = out['inputs'][0, 0] - out['data_samples'][0].gt_sem_seg.data[0]
        assert gap.abs().max() <= 0.5 + 1e-5


def test_labels_equal_torchs_centred_nearest():
    labels = batch()['data_samples'][0].gt_sem_seg.data
    for size in ((8, 8), (24, 24), (11, 37), (5, 16)):
        data = build([size])(batch(), training=True)
        expected = F.interpolate(labels[None].float(), size, mode='nearest-exact')[0].long()
        assert torch.equal(data['data_samples'][0].gt_sem_seg.data, expected)


def test_shapes_are_told_truly_with_padding():
    data = build([32], size=(16, 16))(batch(shapes=((16, 16), (12, 8))), training=True)
    whole, padded = data['data_samples']
    assert tuple(whole.img_shape) == (32, 32) and whole.padding_size == (0, 0, 0, 0)
    assert tuple(padded.img_shape) == (24, 16) and padded.padding_size == (0, 16, 0, 8)
    assert tuple(whole.pad_shape) == tuple(padded.pad_shape) == (32, 32)
    assert (padded.gt_sem_seg.data[:, 24:] == 255).all() and (padded.gt_sem_seg.data[:, :, 16:] == 255).all()
    assert (padded.gt_sem_seg.data[:, :24, :16] != 255).any()


def test_other_label_maps_follow():
    data = batch()
    for sample in data['data_samples']:
        sample.gt_edge_map = PixelData(data=sample.gt_sem_seg.data.clone())
    for sample in build([24])(data, training=True)['data_samples']:
        assert torch.equal(sample.gt_edge_map.data, sample.gt_sem_seg.data)


@pytest.mark.parametrize(
    'size, shape, divisor, expected',
    [
        (8, (16, 16), 1, (8, 8)),
        (8, (16, 32), 1, (8, 16)),
        (8, (32, 16), 1, (16, 8)),
        (8, (16, 21), 1, (8, 10)),
        (16, (16, 21), 8, (16, 24)),
        (16, (16, 17), 16, (16, 16)),
        ((4, 6), (16, 16), 1, (4, 6)),
        ([4, 6], (9, 9), 1, (4, 6)),
    ],
)
def test_a_number_is_the_shorter_side(size, shape, divisor, expected):
    assert target_shape(size, shape, divisor) == expected


def shape_after(crop, size, **settings):
    return tuple(build([size], **{**dict(size=crop), **settings})(batch([crop]), training=True)['inputs'].shape[-2:])


@pytest.mark.parametrize(
    'size, crop, expected',
    [
        (64, (48, 70), (64, 96)),  # 93.3 by the aspect; a multiple of 32, like 64
        (64, (80, 48), (96, 64)),
        (48, (48, 70), (48, 64)),  # 70 by the aspect; a multiple of 16, like 48
        (50, (48, 70), (50, 72)),  # 72.9 by the aspect; even, like 50
        (49, (48, 70), (49, 71)),
    ],
)
def test_the_longer_side_fits_a_network_that_the_shorter_one_fits(size, crop, expected):
    assert shape_after(crop, size) == expected


def test_what_belongs_to_testing_changes_no_training():
    settings = [
        dict(),
        dict(test_cfg=dict(size_divisor=8)),
        dict(test_cfg=dict(size_divisor=32)),
        dict(test_cfg=dict(size=(640, 640))),
    ]
    assert {shape_after((48, 70), 64, **each) for each in settings} == {(64, 96)}


def test_a_unet_trains_on_every_size_that_is_not_refused():
    with DefaultScope.overwrite_default_scope('mmseg'):
        unet = MODELS.build(
            dict(
                type='UNet',
                base_channels=2,
                num_stages=4,
                strides=(1,) * 4,
                enc_num_convs=(1,) * 4,
                dec_num_convs=(1,) * 3,
                downsamples=(True,) * 3,
                enc_dilations=(1,) * 4,
                dec_dilations=(1,) * 3,
            )
        )
    for size in (32, 40, 64, (24, 48)):
        inputs = build([size], size=(33, 47), test_cfg=dict(size_divisor=8))(batch([(33, 47)] * 2), training=True)
        assert unet(inputs['inputs'])[-1].shape[-2:] == inputs['inputs'].shape[-2:]


def test_it_acted_as_often_as_a_batch_changed_its_size():
    ours = build([8, 16, 24])
    assert ours.acted is None
    ours(batch(), training=False)
    assert ours.acted is None
    draws = shapes_of(ours, 30)
    assert ours.acted == sum(draw != (16, 16) for draw in draws) == 30 - draws.count((16, 16))
    assert 0 < ours.acted < 30


def test_training_at_its_own_size_alone_has_not_acted():
    ours = build([16])
    shapes_of(ours, 3)
    assert ours.acted == 0


@pytest.mark.parametrize(
    'sizes, settings, message',
    [
        ([], {}, 'give a list'),
        (16, {}, 'give a list'),
        ([16, 0], {}, 'size 0'),
        ([16.5], {}, 'size 16.5'),
        ([(8, 8, 8)], {}, r'size \(8, 8, 8\)'),
        ([16, (32, 20)], dict(size=None, size_divisor=8), 'size_divisor=8'),
        ([64, 100], dict(test_cfg=dict(size_divisor=8)), r"size 100 .*test_cfg\['size_divisor'\]=8.* multiples of 8"),
    ],
)
def test_refuses_bad_sizes(sizes, settings, message):
    with pytest.raises(ValueError, match=message):
        build(sizes, **settings)


def test_a_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match='seg_pad_value'):
        build([16], seg_pad_value=255)
