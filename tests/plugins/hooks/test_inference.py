"""Inference through views and refinements against plain mmsegmentation, on tiny models."""

import weakref

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, get_priority
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS, TRANSFORMS
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

import plugins.refine.morphology
import plugins.views.composed
import plugins.views.flip
import plugins.views.rot90
import plugins.views.scale
from plugins.hooks.inference import InferenceHook, InferenceModel, build_inference_model
from plugins.refine.chain import Step
from plugins.refine.dense_crf import dense_crf
from plugins.views.network_passes import view_logits

STEP = 1 / 65535
PLAIN = dict(type='IdentityView')
H_FLIP = dict(type='FlipView', direction='horizontal')
V_FLIP = dict(type='FlipView', direction='vertical')
TURN = dict(type='Rot90View', quarter_turns=1)
HALF = dict(type='ScaleView', scale=0.5)
LARGE = dict(type='ScaleView', scale=1.3)


@MODELS.register_module(force=True)
class PassThrough(nn.Module):
    """A backbone without weights; with a pointwise head the model commutes with flips and rotations."""

    def forward(self, x):
        return [x]


@TRANSFORMS.register_module(force=True)
class EverythingIsClass(BaseTransform):
    """Labels all pixels alike."""

    takes = gives = 'labels'
    needs_image = False

    def __init__(self, index):
        self.index = index

    def transform(self, results):
        return dict(labels=np.full_like(results['labels'], self.index))


@TRANSFORMS.register_module(force=True)
class Recorder(BaseTransform):
    """Keeps what it was given."""

    takes = gives = 'probabilities'

    def transform(self, results):
        self.seen = dict(results)
        return results


NORM = dict(type='BN')
HEAD = dict(
    type='FCNHead', in_channels=4, in_index=2, channels=4, num_convs=1, concat_input=False, num_classes=3, norm_cfg=NORM
)
BACKBONE = dict(
    type='UNet',
    in_channels=3,
    base_channels=4,
    num_stages=3,
    strides=(1, 1, 1),
    enc_num_convs=(1, 1, 1),
    dec_num_convs=(1, 1),
    downsamples=(True, True),
    enc_dilations=(1, 1, 1),
    dec_dilations=(1, 1),
    norm_cfg=NORM,
)
SLIDE = dict(mode='slide', crop_size=(32, 48), stride=(20, 32))


def model_config(*, declared=dict(size_divisor=4), test_cfg=dict(mode='whole'), **head):
    preprocessor = dict(
        type='SegDataPreProcessor',
        mean=[120.0, 110.0, 100.0],
        std=[50.0, 60.0, 70.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(8, 8),
        test_cfg=declared,
    )
    return dict(
        type='EncoderDecoder',
        data_preprocessor=preprocessor,
        backbone=BACKBONE,
        decode_head={**HEAD, **head},
        train_cfg=dict(),
        test_cfg=test_cfg,
    )


def build(config, seed=0):
    """The model in eval mode with weights and statistics of its own."""
    init_default_scope('mmseg')
    model = MODELS.build(Config(dict(model=config)).model)
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if value.is_floating_point() and 'loss' not in name:
            value.copy_(
                torch.rand(value.shape, generator=generator) + 0.5
                if name.endswith('running_var')
                else 0.4 * torch.randn(value.shape, generator=generator)
            )
    return model.eval()


def batch(*sizes, ori_shape=None, **meta):
    rng = np.random.default_rng(0)
    inputs = [torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8)) for size in sizes]
    samples = [
        SegDataSample(metainfo=dict(img_path=None, img_shape=size, ori_shape=ori_shape or size, **meta))
        for size in sizes
    ]
    return dict(inputs=inputs, data_samples=samples)


def views(**configs):
    return {name: TRANSFORMS.build(config) for name, config in configs.items()}


def plain_logits(model, data):
    with torch.no_grad():
        return model.test_step(data)[0].seg_logits.data


def our_logits(model, data, view):
    with torch.no_grad():
        return view_logits(model, data['inputs'][0], data['data_samples'][0].metainfo, TRANSFORMS.build(view))


def probabilities(model, data, **configs):
    return InferenceModel(model, views(**configs), []).test_step(data)[0].seg_logits.data


CASES = [
    (dict(), (28, 44), None),
    (dict(), (27, 41), None),
    (dict(), (27, 41), (50, 63)),
    (dict(declared=dict(size=(64, 64))), (27, 41), None),
    (dict(declared=None), (28, 44), (28, 44)),
    (dict(test_cfg=SLIDE), (61, 75), (40, 50)),
    (dict(test_cfg=SLIDE, declared=None), (60, 76), None),
    (dict(align_corners=True), (27, 41), (50, 63)),
]


@pytest.mark.parametrize('config, size, ori_shape', CASES)
def test_identity_equals_plain_mmseg_bit_for_bit(config, size, ori_shape):
    model, data = build(model_config(**config)), batch(size, ori_shape=ori_shape)
    plain = plain_logits(model, data)
    assert plain.shape == (3, *(ori_shape or size)) and plain.std() > 0.1
    assert torch.equal(our_logits(model, data, PLAIN), plain)
    (sample,) = build_inference_model(model, None).test_step(data)
    np.testing.assert_allclose(sample.seg_logits.data, plain.softmax(0), atol=0.5 * STEP + 1e-7)
    top = plain.softmax(0).topk(2, dim=0).values
    clear = top[0] - top[1] > 2 * STEP
    assert clear.float().mean() > 0.99
    assert torch.equal(sample.pred_sem_seg.data[0][clear], plain.argmax(0)[clear])


def test_a_flip_of_the_pipeline_is_undone_as_in_plain_mmseg():
    model = build(model_config())
    data = batch((27, 41), flip=True, flip_direction='vertical')
    assert torch.equal(our_logits(model, data, PLAIN), plain_logits(model, data))
    assert not torch.equal(plain_logits(model, data), plain_logits(model, batch((27, 41))))


def test_cascade_heads():
    ocr = dict(type='OCRHead', in_channels=4, in_index=2, channels=4, ocr_channels=4, num_classes=3, norm_cfg=NORM)
    config = {**model_config(), 'type': 'CascadeEncoderDecoder', 'num_stages': 2, 'decode_head': [HEAD, ocr]}
    model, data = build(config), batch((27, 41))
    assert torch.equal(our_logits(model, data, PLAIN), plain_logits(model, data))
    assert build_inference_model(model, None).test_step(data)[0].pred_sem_seg.data.shape == (1, 27, 41)


BINARY = dict(num_classes=2, out_channels=1, threshold=0.4)


def test_one_channel_gets_one_sigmoid_and_the_heads_threshold():
    model, data = build(model_config(**BINARY)), batch((27, 41))
    plain = model.test_step(data)[0]  # mmseg has applied its sigmoid
    (sample,) = build_inference_model(model, dict(views=dict(a=PLAIN))).test_step(data)
    np.testing.assert_allclose(sample.seg_logits.data, plain.seg_logits.data.detach(), atol=STEP)
    clear = (plain.seg_logits.data - 0.4).abs() > STEP
    assert torch.equal(sample.pred_sem_seg.data[clear], plain.pred_sem_seg.data.long()[clear])
    assert sample.pred_sem_seg.data.unique().tolist() == [0, 1]


def test_one_channel_in_a_cascade_takes_the_last_heads_threshold():
    heads = [{**HEAD, **BINARY}, {**HEAD, **BINARY}]
    model = build(model_config(**BINARY))
    model.decode_head = nn.ModuleList(
        [
            build(model_config(**{**head, 'threshold': threshold})).decode_head
            for head, threshold in zip(heads, (0.9, 0.2))
        ]
    )
    q = np.uint16([[[int(0.1 / STEP), int(0.3 / STEP), int(0.95 / STEP)]]])
    assert InferenceModel(model, views(a=PLAIN), []).refine(q, None).tolist() == [[0, 1, 1]]


def test_one_channel_is_refined_as_two():
    recorder = Recorder()
    recorder.needs_image = False
    model = InferenceModel(build(model_config(**BINARY)), views(a=PLAIN), [Step('recorder', recorder, 'recorder')])
    model.refine(np.uint16([[[0, 65535, 13107]]]), None)
    np.testing.assert_allclose(recorder.seen['probs'], [[[1, 0, 0.8]], [[0, 1, 0.2]]], atol=1e-6)
    assert recorder.seen['labels'].tolist() == [[0, 1, 0]]


def mean_of_flips(model, data):
    """The TTA of mmseg, one flipped data set after the other; its probabilities are not kept by SegTTAModel."""
    logits = [plain_logits(model, data)]
    for axis in (-1, -2):
        flipped = dict(inputs=[data['inputs'][0].flip(axis)], data_samples=data['data_samples'])
        logits.append(plain_logits(model, flipped).flip(axis))
    return torch.stack([one.softmax(0) for one in logits]).mean(0)


def test_flips_equal_those_of_mmseg():
    model, data = build(model_config()), batch((27, 41))
    expected = mean_of_flips(model, data)
    ours = probabilities(model, data, a=PLAIN, b=H_FLIP, c=V_FLIP)
    np.testing.assert_allclose(ours, expected, atol=STEP)
    assert (ours - plain_logits(model, data).softmax(0)).abs().max() > 0.01


def test_flips_give_the_labels_of_seg_tta_model():
    model, data = build(model_config()), batch((28, 44))
    (image,) = data['inputs']
    samples = [
        [SegDataSample(metainfo=dict(data['data_samples'][0].metainfo, **flip))]
        for flip in (dict(), dict(flip=True, flip_direction='horizontal'), dict(flip=True, flip_direction='vertical'))
    ]
    tta = SegTTAModel(module=model)
    with torch.no_grad():
        plain = tta.test_step(dict(inputs=[[image], [image.flip(-1)], [image.flip(-2)]], data_samples=samples))
    (ours,) = InferenceModel(model, views(a=PLAIN, b=H_FLIP, c=V_FLIP), []).test_step(data)
    top = ours.seg_logits.data.topk(2, dim=0).values
    clear = top[0] - top[1] > 2 * STEP
    assert torch.equal(ours.pred_sem_seg.data[0][clear], plain[0].pred_sem_seg.data.squeeze()[clear])


EQUIVARIANT = {**model_config(declared=None), 'backbone': dict(type='PassThrough')}
EQUIVARIANT['decode_head'] = dict(
    type='FCNHead', in_channels=3, in_index=0, channels=3, num_convs=0, kernel_size=1, concat_input=False, num_classes=3
)


@pytest.mark.parametrize(
    'view',
    [H_FLIP, V_FLIP, TURN, dict(type='Rot90View', quarter_turns=3), dict(type='ComposedView', views=[TURN, H_FLIP])],
)
@pytest.mark.parametrize('declared', [None, dict(size_divisor=32)])
@pytest.mark.parametrize('ori_shape', [None, (40, 90)])
def test_exact_views_change_nothing_for_an_equivariant_model(view, declared, ori_shape):
    model, data = build(EQUIVARIANT), batch((21, 37), ori_shape=ori_shape)
    model.data_preprocessor.test_cfg = declared
    np.testing.assert_allclose(our_logits(model, data, view), plain_logits(model, data), atol=1e-5)


@pytest.mark.parametrize('view', [HALF, LARGE, dict(type='ComposedView', views=[TURN, HALF, H_FLIP])])
def test_scale_views_change_nothing_for_a_pointwise_model_on_a_smooth_image(view):
    model, data = build(EQUIVARIANT), batch((40, 64))
    y, x = np.mgrid[:40, :64]
    data['inputs'] = [torch.from_numpy(np.stack([2 * y, 3 * x, y + x])).to(torch.uint8)]
    plain, ours = plain_logits(model, data), our_logits(model, data, view)
    np.testing.assert_allclose(ours[:, 3:-3, 3:-3], plain[:, 3:-3, 3:-3], atol=1e-4)


@pytest.mark.parametrize('declared', [None, dict(size_divisor=4), dict(size=(40, 60))])
@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), SLIDE])
@pytest.mark.parametrize('scale', [0.3, 0.77, 1.5])
def test_scale_views_fit_any_model(declared, test_cfg, scale):
    model, data = build(model_config(declared=declared, test_cfg=test_cfg)), batch((36, 52), ori_shape=(30, 50))
    logits = our_logits(model, data, dict(type='ScaleView', scale=scale))
    assert logits.shape == (3, 30, 50) and logits.isfinite().all()


def test_scale_under_slide_keeps_the_window_and_scales_the_image(monkeypatch):
    model, data = build(model_config(test_cfg=SLIDE, declared=None)), batch((60, 100))
    windows = []
    encode_decode = model.encode_decode
    monkeypatch.setattr(model, 'encode_decode', lambda x, metas: (windows.append(x), encode_decode(x, metas))[1])
    logits = our_logits(model, data, HALF)
    assert [tuple(window.shape[-2:]) for window in windows] == [(32, 48)] * 2  # 30 x 50, padded to 32 x 64
    windows.clear()
    our_logits(model, data, dict(type='ScaleView', scale=2))
    assert {tuple(window.shape[-2:]) for window in windows} == {(32, 48)} and len(windows) == 6 * 7  # over 128 x 224
    by_hand = torch.nn.functional.interpolate(data['inputs'][0][None].float(), (30, 50), mode='bilinear')
    by_hand = torch.nn.functional.pad(model.data_preprocessor(dict(inputs=[by_hand[0]]))['inputs'], (0, 14, 0, 2))
    with torch.no_grad():
        by_hand = model.slide_inference(by_hand, [dict()])[..., :30, :50]
    by_hand = torch.nn.functional.interpolate(by_hand, (60, 100), mode='bilinear')[0]
    assert torch.equal(logits, by_hand)


def test_rotation_of_a_non_square_image_equals_rotating_by_hand():
    model, data = build(model_config()), batch((27, 41))
    turned = dict(inputs=[torch.rot90(data['inputs'][0], 1, (1, 2))], data_samples=batch((41, 27))['data_samples'])
    by_hand = torch.rot90(plain_logits(model, turned), -1, (1, 2))
    assert torch.equal(our_logits(model, data, TURN), by_hand)
    assert not torch.allclose(by_hand, plain_logits(model, data), atol=0.01)


def test_order_of_the_views_in_the_config_does_not_matter():
    model, data = build(model_config()), batch((27, 41))
    configs = dict(zz=PLAIN, b=H_FLIP, a=HALF, q=LARGE, c=TURN)
    maps = [
        build_inference_model(model, dict(views=order)).merged_maps(data)[0]
        for order in (configs, dict(reversed(configs.items())))
    ]
    np.testing.assert_array_equal(*maps)


def test_merged_map_is_the_quantised_mean_over_views():
    model, data = build(model_config()), batch((27, 41))
    expected = (our_logits(model, data, PLAIN).softmax(0) + our_logits(model, data, HALF).softmax(0)) / 2
    (q,) = build_inference_model(model, dict(views=dict(a=HALF, b=PLAIN))).merged_maps(data)
    assert q.dtype == np.uint16
    np.testing.assert_array_equal(q, np.round(expected.numpy() * 65535))
    labels = build_inference_model(model, None).refine(q, None)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, q.argmax(0))


@pytest.mark.parametrize('merge', ['mean_logits', 'max'])
def test_merge_and_views_per_batch_come_from_the_config(merge):
    model, data = build(model_config()), batch((28, 44))
    configs = dict(a=PLAIN, b=H_FLIP)
    logits = torch.stack([our_logits(model, data, view) for view in configs.values()])
    maxima = logits.softmax(1).amax(0)
    expected = dict(mean_logits=logits.mean(0).softmax(0), max=maxima / maxima.sum(0))[merge]
    (alone,) = build_inference_model(model, dict(views=configs, merge=merge)).merged_maps(data)
    np.testing.assert_allclose(alone / 65535, expected, atol=STEP)
    wrapped = build_inference_model(model, dict(views=configs, merge=merge, views_per_batch=2))
    batches = []
    inference = model.inference
    model.inference = lambda inputs, metas: (batches.append(len(inputs)), inference(inputs, metas))[1]
    assert np.abs(wrapped.merged_maps(data)[0].astype(int) - alone).max() <= 1
    assert batches == [2]


SUBSETS = [
    dict(),
    dict(views=dict(z=PLAIN, a=H_FLIP)),
    dict(views=dict(a=H_FLIP, b=HALF, c=TURN)),
    dict(views=dict(one=LARGE)),
    dict(views=dict(a=PLAIN, b=H_FLIP, c=V_FLIP), merge='mean_logits'),
    dict(views=dict(a=H_FLIP, b=PLAIN), merge='max'),
    dict(views=dict(b=TURN, a=PLAIN, c=H_FLIP)),
]


@pytest.mark.parametrize(
    'config', [model_config(), model_config(test_cfg=SLIDE), model_config(num_classes=2, out_channels=1, threshold=0.4)]
)
@pytest.mark.parametrize('first', [0, 2, 4])
def test_variants_predict_in_one_pass_what_each_predicts_alone(config, first):
    model, data = build(config), batch((28, 44), (37, 41))
    configs = [SUBSETS[first], *SUBSETS]
    alone = [build_inference_model(model, inference).merged_maps(data) for inference in configs]
    wrapped = build_inference_model(model, configs[0])
    received = [[] for _ in configs]
    for inference, maps in zip(configs[1:], received[1:]):
        wrapped.add_variant(inference, lambda sample, q, maps=maps: maps.append((sample.metainfo, q)))
    passes = []
    logits = wrapped.passes.logits
    wrapped.passes.logits = lambda *args: (passes.append(len(args[-1])), logits(*args))[1]
    samples = wrapped.test_step(data)
    assert passes == [6, 6]  # plain, three flips or turns, two scales: each view once
    for maps, expected in zip(received[1:], alone[1:]):
        assert [meta for meta, _ in maps] == [sample.metainfo for sample in data['data_samples']]
        for (_, q), one in zip(maps, expected, strict=True):
            np.testing.assert_array_equal(q, one)
    for sample, one in zip(samples, alone[0], strict=True):
        np.testing.assert_array_equal(sample.seg_logits.data.numpy(), one.astype(np.float32) / np.float32(65535))


def test_where_views_agree_is_said_on_demand_for_each_config_of_a_pass():
    model, data = build(model_config()), batch((28, 44), (37, 41))
    configs = [dict(), dict(views=dict(a=PLAIN, b=H_FLIP)), dict(views=dict(a=PLAIN, b=H_FLIP, c=TURN))]
    alone = {
        name: build_inference_model(model, dict(views=dict(a=view))).merged_maps(data)
        for name, view in dict(a=PLAIN, b=H_FLIP, c=TURN).items()
    }
    for first in range(3):
        wrapped = build_inference_model(model, configs[first])
        found = [[] for _ in configs]
        for inference, samples in zip(configs, found):
            wrapped.add_variant(inference, lambda sample, q, samples=samples: samples.append(sample))
        assert not any('views_agree' in sample for sample in wrapped.test_step(data))
        for samples in found:
            assert not any('views_agree' in sample for sample in samples)
            samples.clear()
        wrapped.watch_views()
        own = wrapped.test_step(data)
        for inference, samples in zip([*configs, configs[first]], [*found, own]):
            for n, sample in enumerate(samples):
                labels = [alone[name][n].argmax(0) for name in inference.get('views', {})]
                assert ('views_agree' in sample) is (len(labels) > 1)
                if labels:
                    agree = np.all([one == labels[0] for one in labels], axis=0)
                    assert (sample.views_agree.data[0].numpy() != agree).mean() < 0.01  # labels of maps in 16 bits
    assert not any('views_agree' in sample for sample in data['data_samples'])


def test_variants_count_for_themselves_whether_they_acted():
    wrapped = build_inference_model(build(model_config()), None)
    for inference in (dict(views=dict(a=H_FLIP)), dict(), dict(views=dict(a=PLAIN, b=TURN))):
        wrapped.add_variant(inference, lambda sample, q: None)
    for _ in range(3):
        wrapped.test_step(batch((28, 44)))
    assert wrapped.acted is None
    assert [variant.acted for variant in wrapped.variants] == [3, None, 3]


def test_variants_and_batches_of_views_are_refused():
    wrapped = build_inference_model(build(model_config()), None)
    with pytest.raises(ValueError, match='views_per_batch'):
        wrapped.add_variant(dict(views=dict(a=PLAIN, b=H_FLIP), views_per_batch=2), lambda sample, q: None)
    assert wrapped.variants == []


def acted_after(model, inference, count=3, **more):
    wrapped = build_inference_model(model, inference, **more)
    for _ in range(count):
        wrapped.test_step(batch((28, 44), (28, 44)))
    return wrapped.acted


RELABEL = dict(one=dict(order=1, type='EverythingIsClass', index=2))


@pytest.mark.parametrize(
    'inference, expected',
    [
        (None, None),
        (dict(views=dict(identity=PLAIN), refine=dict()), None),
        (dict(views=dict(a=PLAIN, b=H_FLIP)), 6),
        (dict(views=dict(b=TURN)), 6),
        (dict(refine=RELABEL), 6),
        (dict(views=dict(a=PLAIN, b=H_FLIP), refine=RELABEL), 6),
        (dict(views=dict(a=PLAIN, again=PLAIN)), 0),
        (dict(views=dict(a=PLAIN, b=dict(type='ScaleView', scale=1.0))), 0),
    ],
)
def test_it_acted_on_as_many_images_as_views_or_refinements_changed(inference, expected):
    assert acted_after(build(model_config()), inference) == expected


@pytest.mark.parametrize(
    'views, views_per_batch, expected',
    [
        (dict(a=PLAIN, b=H_FLIP, c=V_FLIP), 2, 6 + 6),
        (dict(a=PLAIN, b=H_FLIP, c=V_FLIP), None, 6),
        (dict(a=PLAIN, b=H_FLIP, c=V_FLIP), 1, 6),
        (dict(a=PLAIN, b=H_FLIP), 8, 6 + 6),
        (dict(a=PLAIN, again=PLAIN), 2, 6),
        (dict(a=H_FLIP), 4, 6),
        (dict(a=PLAIN), 4, None),
    ],
)
def test_passes_that_carry_several_views_count_because_they_act_on_the_cost(views, views_per_batch, expected):
    inference = dict(views=views, views_per_batch=views_per_batch)
    assert acted_after(build(model_config()), inference) == expected


def test_a_refinement_that_changes_no_label_has_not_acted():
    model = build_inference_model(build(EQUIVARIANT), dict(refine=RELABEL))
    q = np.zeros((3, 4, 4), np.uint16)
    q[2] = 9
    model.refine(q, None)
    assert model.acted == 0
    model.refine(np.roll(q, 1, axis=0), None)
    assert model.acted == 1


def test_refinements_that_work_in_place_are_seen_to_act():

    class InPlace(BaseTransform):
        takes = gives = 'labels'
        needs_image = False

        def transform(self, results):
            results['labels'][:] = 1
            return results

    model = InferenceModel(build(EQUIVARIANT), views(a=PLAIN), [Step('in_place', InPlace(), 'in_place')])
    model.refine(np.zeros((3, 4, 4), np.uint16), None)
    assert model.acted == 1


def test_labels_are_those_before_any_refinement():
    model = build_inference_model(
        build(EQUIVARIANT), dict(refine=dict(one=dict(order=1, type='EverythingIsClass', index=2)))
    )
    q = np.uint16([[[7, 1]], [[2, 3]], [[5, 3]]])
    assert model.labels(q).tolist() == [[0, 1]]
    assert model.refine(q, None).tolist() == [[2, 2]]


def test_batches_of_several_images():
    model, data = build(model_config()), batch((27, 41), (27, 41), (33, 20))
    wrapped = build_inference_model(model, dict(views=dict(a=PLAIN, b=HALF)))
    together = wrapped.test_step(data)
    for index, sample in enumerate(together):
        (alone,) = wrapped.test_step({key: value[index : index + 1] for key, value in data.items()})
        assert torch.equal(sample.seg_logits.data, alone.seg_logits.data)
        assert torch.equal(sample.pred_sem_seg.data, alone.pred_sem_seg.data)


def test_the_loaders_samples_are_left_alone_and_no_graph_is_kept():
    data = batch((27, 41))
    (sample,) = build_inference_model(build(model_config()), None).test_step(data)
    assert 'pred_sem_seg' not in data['data_samples'][0]
    assert not sample.seg_logits.data.requires_grad


def test_the_maps_of_earlier_views_are_let_go(monkeypatch):
    model, data = build(EQUIVARIANT), batch((21, 37))
    softmax, results, alive = torch.Tensor.softmax, [], []

    def spy(logits, dim):
        alive.append(sum(result() is not None for result in results))
        probs = softmax(logits, dim)
        results.append(weakref.ref(probs))
        return probs

    monkeypatch.setattr(torch.Tensor, 'softmax', spy)
    InferenceModel(model, views(**{str(index): PLAIN for index in range(6)}), []).merged_maps(data)
    assert len(alive) == 6 and max(alive) <= 2  # the sum and the last one


def write_image(path, size=(20, 30)):
    image = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    cv2.imwrite(str(path), image[..., ::-1])
    return image


def test_refine_runs_the_chain_on_the_quantised_map_and_the_rgb_image(tmp_path):
    image = write_image(tmp_path / 'a.png')
    q = np.random.default_rng(0).integers(0, 65536, (3, 20, 30)).astype(np.uint16)
    crf = dict(order=1, type='DenseCRF', bilateral_srgb=(20, 40, 60), bilateral_compat=4)
    opening = dict(order=2, type='Morphology', operation='open', radius=1)
    model = build_inference_model(build(EQUIVARIANT), dict(refine=dict(z=crf, a=opening)))
    probs = dense_crf(q.astype(np.float32) / 65535, image, bilateral_srgb=(20, 40, 60), bilateral_compat=4)
    expected = plugins.refine.morphology.morphology(probs.argmax(0).astype(np.uint8), operation='open', radius=1)
    np.testing.assert_array_equal(model.refine(q, str(tmp_path / 'a.png')), expected)


def test_an_image_of_another_size_is_named(tmp_path):
    write_image(tmp_path / 'a.png')
    model = build_inference_model(build(EQUIVARIANT), dict(refine=dict(crf=dict(order=1, type='DenseCRF'))))
    with pytest.raises(ValueError, match='a.png is 20x30 .* 21x30'):
        model.refine(np.zeros((3, 21, 30), np.uint16), str(tmp_path / 'a.png'))


def test_the_file_is_not_read_when_no_refinement_looks_at_it():
    model = build_inference_model(
        build(EQUIVARIANT), dict(refine=dict(one=dict(order=1, type='EverythingIsClass', index=2)))
    )
    assert model.refine(np.zeros((3, 2, 2), np.uint16), 'absent.png').tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize(
    'inference, culprit',
    [
        (dict(view=dict(a=PLAIN)), 'unknown keys: view;'),
        (dict(merge='median'), "inference.merge='median' is unknown; .*'mean', 'mean_logits', 'geometric', 'max'"),
        (dict(views_per_batch=0), 'views_per_batch=0 must be a positive whole number'),
        (dict(views=dict(a=dict(type='DenseCRF'))), 'inference.views.a: DenseCRF is no view'),
        (
            dict(
                refine=dict(
                    crf=dict(order=2, type='DenseCRF'),
                    tidy=dict(order=1, type='Morphology', operation='open', radius=1),
                )
            ),
            "'crf' .* 'tidy'",
        ),
    ],
)
def test_configs_that_cannot_be_meant_are_refused(inference, culprit):
    with pytest.raises(ValueError, match=culprit):
        build_inference_model(None, inference)


class FakeRunner:
    def __init__(self, model, inference=None):
        self.model, self.cfg = model, Config(dict(inference=inference))


def test_distributed_models_are_unwrapped_and_restored():
    class Wrapper(MMDistributedDataParallel):
        def __init__(self, module):
            nn.Module.__init__(self)
            self.module = module

    wrapper = Wrapper(build(EQUIVARIANT))
    runner, hook = FakeRunner(wrapper), InferenceHook()
    hook.before_test(runner)
    assert runner.model.model is wrapper.module
    hook.after_test(runner)
    assert runner.model is wrapper


def test_a_test_that_broke_off_does_not_wrap_twice():
    model = build(EQUIVARIANT)
    runner, hook = FakeRunner(model, dict(views=dict(a=PLAIN, b=H_FLIP))), InferenceHook()
    hook.before_test(runner)
    hook.before_test(runner)
    assert runner.model.model is model and set(runner.model.views) == {'a', 'b'}
    hook.after_test(runner)
    assert runner.model is model


class AnyHook:
    """Puts something else in the model's place for the test, and puts back what it found."""

    def __init__(self, only_its_own):
        self.only_its_own = only_its_own

    def before_test(self, runner):
        self.found = runner.model
        runner.model = self.put = build(EQUIVARIANT, seed=7)

    def after_test(self, runner):
        if not self.only_its_own or runner.model is self.put:
            runner.model = self.found


@pytest.mark.parametrize('only_its_own', [False, True])
@pytest.mark.parametrize('inference_hook_is_first', [False, True])
def test_two_hooks_that_replace_the_model_restore_it_in_any_order(only_its_own, inference_hook_is_first):
    model = build(EQUIVARIANT)
    runner, ours, other = FakeRunner(model, dict(views=dict(a=H_FLIP))), InferenceHook(), AnyHook(only_its_own)
    for _ in range(2):
        other.before_test(runner)
        ours.before_test(runner)
        assert runner.model.model is other.put
        ours.after_test_epoch(runner)  # mmengine calls this of all hooks before it calls after_test of any
        for hook in (ours, other) if inference_hook_is_first else (other, ours):
            hook.after_test(runner)
        assert runner.model is model


def test_it_comes_after_hooks_of_normal_priority():
    assert get_priority(InferenceHook.priority) > get_priority('NORMAL')


def test_what_cannot_be_segmented_with_is_named():
    with pytest.raises(TypeError, match='is of type InferenceModel, which has no inference'):
        InferenceHook().before_test(FakeRunner(InferenceModel(build(EQUIVARIANT), views(a=PLAIN), [])))


@TRANSFORMS.register_module(force=True)
class Darken(BaseTransform):
    """A change of the image file."""

    changes_image_file = True

    def transform(self, results):
        return dict(results, img=results['img'] // 4)


@pytest.fixture
def dataset(tmp_path):
    """Three images of 24 x 36 with labels 0..2, as files."""
    rng = np.random.default_rng(0)
    masks = []
    for folder in ('img', 'ann'):
        (tmp_path / folder).mkdir()
    for index in range(3):
        masks.append(rng.integers(0, 3, (24, 36), dtype=np.uint8))
        cv2.imwrite(str(tmp_path / 'img' / f'{index}.png'), rng.integers(0, 256, (24, 36, 3), dtype=np.uint8))
        cv2.imwrite(str(tmp_path / 'ann' / f'{index}.png'), masks[-1])
    return tmp_path, np.stack(masks)


def write_config(folder, inference, hooks, batch_size=2, changes=(), load='LoadImageFromFile', suffix='.png', **how):
    pipeline = [dict(type=load, **how), *changes, dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    data = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        img_suffix=suffix,
        seg_map_suffix='.png',
        metainfo=dict(classes=('a', 'b', 'c')),
        pipeline=pipeline,
    )
    config = Config(
        dict(
            default_scope='mmseg',
            model=model_config(),
            work_dir=str(folder / 'work'),
            log_level='ERROR',
            custom_imports=dict(imports=['plugins.hooks.inference', 'plugins.views.flip', 'plugins.views.scale']),
            custom_hooks=hooks,
            inference=inference,
            test_cfg=dict(type='TestLoop'),
            test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
            test_dataloader=dict(
                batch_size=batch_size, num_workers=0, dataset=data, sampler=dict(type='DefaultSampler', shuffle=False)
            ),
        )
    )
    config.dump(folder / 'config.py')
    return Config.fromfile(folder / 'config.py')


def run_test(folder, inference, hooks=[dict(type='InferenceHook')], **loader):
    runner = Runner.from_cfg(write_config(folder, inference, hooks, **loader))
    runner.model.load_state_dict(build(model_config()).state_dict())
    model = runner.model
    metrics = runner.test()
    assert runner.model is model
    return metrics


def test_a_refinement_reaches_the_score(dataset):
    folder, masks = dataset
    metrics = run_test(folder, dict(refine=dict(one=dict(order=1, type='EverythingIsClass', index=0))))
    assert metrics['mIoU'] == pytest.approx(100 * (masks == 0).mean() / 3, abs=0.01)
    assert metrics['aAcc'] == pytest.approx(100 * (masks == 0).mean(), abs=0.01)


@pytest.mark.slow
def test_without_inference_the_score_is_that_of_plain_mmseg(dataset):
    folder, _ = dataset
    plain = run_test(folder, None, hooks=[], batch_size=1)
    assert run_test(folder, None, batch_size=1) == plain
    assert run_test(folder, dict(views=dict(a=PLAIN)), batch_size=3) == plain
    assert run_test(folder, dict(views=dict(a=HALF))) != plain


def test_a_chain_that_does_not_fit_stops_before_the_first_image(dataset):
    folder, _ = dataset
    refine = dict(crf=dict(order=2, type='DenseCRF'), one=dict(order=1, type='EverythingIsClass', index=0))
    with pytest.raises(ValueError, match="give 'crf' a lower order than 'one'"):
        run_test(folder, dict(refine=refine))


@pytest.fixture
def seen(monkeypatch):
    """The images that the network and the refinement 'Recorder' see."""
    seen = dict(network=[], refinement=[])
    merged_map, transform = InferenceModel._merged_map, Recorder.transform
    monkeypatch.setattr(
        InferenceModel,
        '_merged_map',
        lambda model, image, *rest: (seen['network'].append(image.numpy()), merged_map(model, image, *rest))[1],
    )
    monkeypatch.setattr(
        Recorder,
        'transform',
        lambda recorder, results: (seen['refinement'].append(results['img']), transform(recorder, results))[1],
    )
    return seen


RECORDED = dict(refine=dict(recorder=dict(order=1, type='Recorder')))


def test_the_network_and_the_refinements_see_the_same_changed_image(dataset, seen):
    folder, _ = dataset
    run_test(folder, RECORDED, changes=[dict(type='Darken')])
    assert len(seen['network']) == len(seen['refinement']) == 3
    for bgr, rgb in zip(*seen.values()):
        np.testing.assert_array_equal(bgr[::-1].transpose(1, 2, 0), rgb)
        assert 40 < rgb.max() < 64


@TRANSFORMS.register_module(force=True)
class NumpyReader(BaseTransform):
    """A loader of one's own, for files that no library decodes as an image."""

    def transform(self, results):
        image = np.load(results['img_path'])
        return dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])


@pytest.mark.parametrize(
    'loader',
    [
        dict(load='NumpyReader', suffix='.npy'),
        dict(suffix='.tif', color_type='unchanged'),
        dict(suffix='.jpg', color_type='color_ignore_orientation'),
    ],
    ids=['a loader of npy files', '16 bits', 'not turned by EXIF'],
)
def test_the_refinements_see_what_the_pipelines_own_loader_loads(dataset, seen, loader):
    folder, _ = dataset
    turned = Image.Exif()
    turned[0x0112] = 6
    for path in sorted((folder / 'img').glob('*.png')):
        image = cv2.imread(str(path))
        np.save(path.with_suffix('.npy'), image)
        cv2.imwrite(str(path.with_suffix('.tif')), image.astype(np.uint16) + 1000)
        Image.fromarray(image).save(path.with_suffix('.jpg'), exif=turned)
    run_test(folder, RECORDED, **loader)
    assert len(seen['network']) == len(seen['refinement']) == 3
    for bgr, rgb in zip(*seen.values()):
        as_rgb = bgr[::-1].transpose(1, 2, 0)
        assert as_rgb.shape == rgb.shape == (24, 36, 3)
        if bgr.dtype == np.uint8:
            np.testing.assert_array_equal(as_rgb, rgb)
        else:  # a linear function of what the network sees
            assert as_rgb.min() >= 1000 and np.corrcoef(as_rgb.ravel().astype(float), rgb.ravel())[0, 1] > 0.999


def test_a_refinement_of_images_without_colours_is_refused_before_the_training(dataset):
    folder, _ = dataset
    for number in range(3):
        np.save(folder / 'img' / f'{number}.npy', np.zeros((24, 36, 7), np.uint8))
    config = write_config(folder, RECORDED, [], load='NumpyReader', suffix='.npy')
    with pytest.raises(ValueError, match='NumpyReader gives an image of 24×36×7 values'):
        InferenceHook.check(config)
    InferenceHook.check({**config, 'inference': dict(views=dict(a=PLAIN))})


def test_the_hook_tells_after_the_test_what_acted(dataset):
    folder, _ = dataset
    for inference, expected in ((None, None), (dict(views=dict(a=PLAIN, b=H_FLIP)), 3)):
        runner = Runner.from_cfg(write_config(folder, inference, [dict(type='InferenceHook')]))
        runner.test()
        (hook,) = [hook for hook in runner.hooks if isinstance(hook, InferenceHook)]
        assert hook.acted == expected


@pytest.mark.slow
def test_views_and_merges_reach_the_score_of_a_test_loop(dataset):
    folder, _ = dataset
    flips = dict(a=PLAIN, b=H_FLIP, c=V_FLIP)
    scores = {merge: run_test(folder, dict(views=flips, merge=merge))['aAcc'] for merge in ('mean', 'geometric', 'max')}
    assert run_test(folder, dict(views=flips))['aAcc'] == scores['mean']
    assert run_test(folder, dict(views=flips, views_per_batch=3))['aAcc'] == scores['mean']
    assert run_test(folder, None)['aAcc'] != scores['mean']
