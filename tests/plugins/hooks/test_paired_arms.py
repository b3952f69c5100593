"""Arms with the same seed start from the same weights, and see the same samples, whatever else one of them has."""

import copy
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch import nn

import plugins.attention.cbam
import plugins.heads.cbam_fcn_head
import plugins.necks.attention_neck  # noqa: F401
from plugins.hooks.paired_arms import PairedArmsHook, construct_by_name, initialise_by_name, seed_everything

NORM = dict(type='BN')
UNET = dict(
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
PLAIN = dict(
    type='FCNHead',
    in_channels=4,
    in_index=2,
    channels=6,
    num_convs=1,
    concat_input=False,
    num_classes=2,
    norm_cfg=NORM,
    dropout_ratio=0.5,
)
CBAM = dict(PLAIN, type='CBAMFCNHead')
MIT = dict(
    type='MixVisionTransformer',
    in_channels=3,
    embed_dims=16,
    num_stages=2,
    num_layers=[1, 1],
    num_heads=[1, 2],
    patch_sizes=[7, 3],
    strides=[4, 2],
    sr_ratios=[2, 1],
    out_indices=(0, 1),
    qkv_bias=True,
)
RESNET = dict(
    type='ResNetV1c', depth=18, stem_channels=8, base_channels=16, num_stages=4, out_indices=(0, 1, 2, 3), norm_cfg=NORM
)


@pytest.fixture(autouse=True, scope='module')
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def segmentor(backbone=UNET, head=PLAIN, **changes):
    return dict(
        type='EncoderDecoder',
        backbone=backbone,
        decode_head=head,
        train_cfg={},
        test_cfg=dict(mode='whole'),
        data_preprocessor=dict(type='SegDataPreProcessor', size=(8, 8)),
        **changes,
    )


MIT_MODEL = segmentor(MIT, dict(PLAIN, in_channels=32, in_index=1))
RESNET_MODEL = segmentor(RESNET, dict(PLAIN, in_channels=128, in_index=3))


def build(config, construction=0):
    """A model as construction leaves it; other models were built before it."""
    seed_everything(construction)
    return MODELS.build(copy.deepcopy(config))


def started(config, seed, construction=0):
    """Its parameters after initialising by name."""
    model = build(config, construction)
    initialise_by_name(model, config, seed)
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def shared_differences(one, other):
    return [name for name in one.keys() & other.keys() if not torch.equal(one[name], other[name])]


MODELS_TO_START = dict(unet=segmentor(), cbam=segmentor(head=CBAM), mit=MIT_MODEL, resnet=RESNET_MODEL)


def test_what_a_wrapper_is_put_around_starts_as_it_does_alone():
    fpn = dict(type='FPN', in_channels=[16, 8, 4], out_channels=6, num_outs=3)
    around = dict(type='AttentionNeck', block=dict(type='CBAM'), in_channels=[6, 6, 6], levels=[2], neck=fpn)
    head = dict(PLAIN, in_channels=6)
    alone = started(segmentor(head=head, neck=fpn), 3)
    wrapped = started(segmentor(head=head, neck=around), 3)
    shared = {name.replace('neck.neck.', 'neck.'): value for name, value in wrapped.items() if '.blocks.' not in name}
    assert shared.keys() == alone.keys() and len(shared) < len(wrapped)
    assert all(torch.equal(alone[name], shared[name]) for name in alone)
    drawn = [name for name in alone if name.startswith('neck.') and alone[name].std() > 0]
    assert len(drawn) > 3
    assert all(
        not torch.equal(alone[name], value)
        for name, value in started(segmentor(head=head, neck=fpn), 4).items()
        if name in drawn
    )


@pytest.mark.parametrize('name', MODELS_TO_START)
def test_the_start_depends_on_the_seed_and_on_nothing_drawn_before(name):
    config = MODELS_TO_START[name]
    first = started(config, seed=0, construction=1)
    assert shared_differences(first, started(config, seed=0, construction=2)) == []
    other = started(config, seed=1, construction=1)
    constant = [name for name, value in first.items() if value.numel() > 1 and value.std() == 0]
    assert set(shared_differences(first, other)) == {name for name, value in first.items() if name not in constant}


@pytest.mark.parametrize('name', MODELS_TO_START)
def test_layers_that_a_technique_builds_earlier_move_no_shared_parameter(name):
    config = MODELS_TO_START[name]
    backbone = MODELS.get(config['backbone']['type'])

    class DrawsEarlier(backbone):
        def __init__(self, **kwargs):
            torch.rand(7), nn.Linear(3, 3)
            early = nn.Conv2d(3, 3, 3)
            super().__init__(**kwargs)
            self.early = early

    shared, more = started(config, 0), started(dict(config, backbone=dict(config['backbone'], type=DrawsEarlier)), 0)
    assert more.keys() - shared.keys() == {'backbone.early.weight', 'backbone.early.bias'}
    assert shared_differences(shared, more) == []


@pytest.mark.parametrize('name', MODELS_TO_START)
def test_parameters_are_distributed_as_the_models_own_initialisation_has_them(name):
    config = MODELS_TO_START[name]
    model = build(config)
    model.init_weights()
    ours = started(config, seed=0)
    compared = 0
    for key, parameter in model.named_parameters():
        theirs = parameter.detach()
        if theirs.std() == 0 or theirs.numel() == 1:
            assert torch.equal(ours[key], theirs) or theirs.numel() == 1, key
        elif theirs.numel() >= 400:
            spread = 6 / np.sqrt(2 * theirs.numel())
            assert abs(ours[key].std() / theirs.std() - 1) < max(spread, 0.05), key
            assert abs(ours[key].mean()) < 6 * theirs.std() / np.sqrt(theirs.numel()), key
            compared += 1
    assert compared >= 2


def test_the_standard_deviation_is_what_the_initialiser_says():
    config = segmentor(
        dict(UNET, base_channels=16, init_cfg=dict(type='Normal', layer='Conv2d', std=0.03)),
        dict(PLAIN, in_channels=16),
    )
    first = started(config, 0)
    big = [name for name, value in first.items() if name.startswith('backbone') and value.numel() > 2000]
    assert len(big) >= 4
    for name in big:
        assert first[name].std().item() == pytest.approx(0.03, rel=0.06), name
    assert first['decode_head.conv_seg.weight'].std().item() < 0.03  # mmseg's heads ask for 0.01


def test_equal_shapes_under_different_names_start_apart():
    first = started(RESNET_MODEL, 0)
    one, other = first['backbone.layer3.0.conv2.weight'], first['backbone.layer3.1.conv2.weight']
    assert one.shape == other.shape and abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 0.02


@MODELS.register_module(force=True)
class LoadsInItsConstructor(nn.Module):
    """A backbone with weights that it reads, weights that it draws, and constants that it sets."""

    def __init__(self):
        super().__init__()
        self.loaded = nn.Conv2d(3, 4, 3)
        self.drawn = nn.Conv2d(4, 4, 3)
        self.half_constant = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.by_hand = nn.Parameter(torch.randn(4, 4) * 0.1)
        self.register_buffer('frequencies', torch.randn(4))
        self.copied = nn.ModuleList(copy.deepcopy(self.drawn) for _ in range(2))
        with torch.no_grad():
            self.loaded.weight.copy_(torch.linspace(-1, 1, 108).view(4, 3, 3, 3))
            self.loaded.bias.copy_(torch.linspace(2, 3, 4))
            self.half_constant.bias.fill_(0.25)


LOADING = segmentor(dict(type='LoadsInItsConstructor'))


def test_what_a_constructor_loads_or_sets_is_not_touched():
    model = build(LOADING)
    first, other = started(LOADING, 0, construction=1), started(LOADING, 1, construction=2)
    for name in (
        'loaded.weight',
        'loaded.bias',
        'half_constant.bias',
        'attention.in_proj_bias',
        'attention.out_proj.bias',
    ):
        constructed = dict(model.named_parameters())[f'backbone.{name}']
        for started_model in (first, other):
            assert torch.equal(started_model[f'backbone.{name}'], constructed), name


def test_whatever_a_constructor_draws_depends_on_the_seed_alone():
    first, again, other = (started(LOADING, seed, construction) for seed, construction in ((0, 1), (0, 2), (1, 1)))
    assert shared_differences(first, again) == []
    drawn = ('drawn.weight', 'by_hand', 'copied.0.weight', 'attention.in_proj_weight', 'half_constant.weight')
    assert {f'backbone.{name}' for name in drawn} <= set(shared_differences(first, other))
    assert torch.equal(first['backbone.copied.0.weight'], first['backbone.drawn.weight'])
    buffers = [dict(construct_by_name(LOADING, seed).named_buffers())['backbone.frequencies'] for seed in (0, 0, 1)]
    assert torch.equal(buffers[0], buffers[1]) and not torch.equal(buffers[0], buffers[2])


def test_the_global_generators_are_left_as_they_were():
    model = build(segmentor())
    seed_everything(3)
    expected = torch.rand(4)
    seed_everything(3)
    initialise_by_name(model, segmentor(), 0)
    assert torch.equal(torch.rand(4), expected)


@DATASETS.register_module(force=True)
class Noise:
    """Four images of noise; what is in them is drawn when they are loaded."""

    metainfo = dict(classes=('a', 'b'))

    def full_init(self):
        pass

    def __len__(self):
        return 4

    def __getitem__(self, index):
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, 8, 8))))
        sample.set_metainfo(dict(ori_shape=(8, 8), img_shape=(8, 8)))
        return dict(inputs=torch.from_numpy(np.random.rand(3, 8, 8).astype(np.float32)), data_samples=sample)


@HOOKS.register_module(force=True)
class KeepsTheStart(Hook):
    """Notes what training starts from, and the batches that it sees."""

    priority = 'LOWEST'
    notes = []

    def before_train(self, runner):
        state = {name: value.detach().clone() for name, value in runner.model.state_dict().items()}
        self.notes.append(
            SimpleNamespace(state=state, random=torch.get_rng_state(), images=[], threads=torch.get_num_threads())
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.notes[-1].images += [image.clone() for image in data_batch['inputs']]


def train(folder, head, seed, threads=1):
    config = dict(
        model=segmentor(head=head),
        work_dir=str(folder),
        default_scope='mmseg',
        log_level='ERROR',
        experiment_name=f'paired_{len(KeepsTheStart.notes)}',
        randomness=dict(seed=seed),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='PairedSampler'),
            dataset=dict(type='PairedDataset', dataset=dict(type='Noise')),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=None, logger=None),
        custom_hooks=[dict(type='PairedArmsHook', num_threads=threads), dict(type='KeepsTheStart')],
    )
    logging.getLogger('mmengine').propagate = False
    runner = Runner.from_cfg(Config(config))
    runner.train()
    final = {name: value.clone() for name, value in runner.model.state_dict().items()}
    return SimpleNamespace(**vars(KeepsTheStart.notes[-1]), final=final)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    threads = torch.get_num_threads()
    folder = tmp_path_factory.mktemp('runs')
    arms = dict(plain=PLAIN, cbam=CBAM)
    found = {(name, seed): train(folder, head, seed) for name, head in arms.items() for seed in (0, 1)}
    found['again'] = train(folder, PLAIN, 0)
    yield found
    torch.set_num_threads(threads)


@pytest.mark.parametrize('seed', [0, 1])
def test_adding_attention_leaves_every_shared_parameter_and_every_sample_as_it_was(runs, seed):
    plain, cbam = runs['plain', seed], runs['cbam', seed]
    assert plain.state.keys() < cbam.state.keys() and any('cbam' in name for name in cbam.state)
    assert shared_differences(plain.state, cbam.state) == []
    assert len(plain.images) == len(cbam.images) == 6
    for one, other in zip(plain.images, cbam.images):
        assert torch.equal(one, other)
    assert torch.equal(plain.random, cbam.random)  # dropout starts alike, too
    assert plain.threads == cbam.threads == 1


@pytest.mark.parametrize('arm', ['plain', 'cbam'])
def test_another_seed_starts_elsewhere_and_sees_other_samples(runs, arm):
    first, other = runs[arm, 0], runs[arm, 1]
    drawn = [
        name
        for name, value in first.state.items()
        if value.is_floating_point() and value.numel() > 1 and value.std() > 0
    ]
    assert len(drawn) >= 8 and set(drawn) == set(shared_differences(first.state, other.state))
    assert not any(torch.equal(one, two) for one, two in zip(first.images, other.images))
    assert not torch.equal(first.random, other.random)


def test_the_same_seed_twice_trains_the_same_weights(runs):
    assert shared_differences(runs['plain', 0].final, runs['again'].final) == []
    assert shared_differences(runs['plain', 0].state, runs['plain', 0].final) != []


def test_a_test_run_leaves_the_weights_alone():
    model = build(segmentor())
    before = copy.deepcopy(model.state_dict())
    PairedArmsHook().before_run(SimpleNamespace(_train_loop=dict(type='IterBasedTrainLoop'), model=model))
    assert shared_differences(before, model.state_dict()) == []


def test_a_test_after_the_training_in_the_same_run_leaves_the_weights_alone(monkeypatch):
    config = segmentor()
    model, hook = build(config), PairedArmsHook()
    monkeypatch.setattr('plugins.hooks.paired_arms.BaseLoop', SimpleNamespace)
    runner = SimpleNamespace(_train_loop=SimpleNamespace(), model=model, cfg=SimpleNamespace(model=config), seed=3)
    drawn = copy.deepcopy(model.state_dict())
    hook.before_run(runner)
    assert shared_differences(drawn, model.state_dict()) != []
    torch.nn.init.constant_(model.decode_head.conv_seg.weight, 0.5)  # what a training would have made of it
    trained = copy.deepcopy(model.state_dict())
    hook.before_run(runner)
    assert shared_differences(trained, model.state_dict()) == []


def test_threads_are_left_alone_unless_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, 'set_num_threads', asked.append)
    for threads in (None, 3):
        PairedArmsHook(threads).before_run(SimpleNamespace(_train_loop=None))
    assert asked == [3]
