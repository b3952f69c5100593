"""One real batch and one real test image show what would fail in training, with the culprit and the cure."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.models import EncoderDecoder
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import HOOKS, MODELS
from PIL import Image

from benchmarks.preflight.attempt import Attempt, Unshown
from benchmarks.preflight.culprit import describe
from benchmarks.preflight.trial import FailedOnImage, try_inference, try_training
from benchmarks.preflight.tried import fault_of
from benchmarks.stacks.merging import merge
from benchmarks.stages.process_state import process_state

CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_'
SIZES = ((41, 73), (48, 64))
CROP = (32, 32)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """A small U-Net on two images of two sizes."""
    folder = tmp_path_factory.mktemp('images')
    for name in ('image', 'mask'):
        (folder / name).mkdir()
    for number, size in enumerate(SIZES):
        Image.fromarray(np.full((*size, 3), 100, np.uint8)).save(folder / 'image' / f'{number}.png')
        Image.fromarray(np.arange(size[0] * size[1], dtype=np.uint8).reshape(size) % 2).save(
            folder / 'mask' / f'{number}.png'
        )
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    crop = [dict(type='RandomCrop', crop_size=CROP)]
    data = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='image', seg_map_path='mask'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', 'cell'), palette=[[0, 0, 0], [255, 0, 0]]),
    )
    pack = [dict(type='PackSegInputs')]
    model = Config.fromfile(CONFIGS / 'models' / 'unet_small.py').to_dict()['model']
    return dict(
        default_scope='mmseg',
        randomness=dict(seed=0),  # as every cell has; transforms that draw fail on the draws of this seed
        model=merge(model, dict(data_preprocessor=dict(size=CROP))),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=5),
        test_cfg=dict(type='TestLoop'),
        train_dataloader=dict(
            batch_size=2,
            num_workers=2,
            persistent_workers=True,
            sampler=dict(type='InfiniteSampler', shuffle=True),
            dataset=dict(**data, pipeline=load + crop + pack),
        ),
        test_dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(**data, pipeline=load + pack),
        ),
        test_evaluator=dict(type='IoUMetric'),
    )


@pytest.fixture(scope='module')
def own():
    """Losses and hooks of a user's own, by name."""

    @MODELS.register_module()
    class HardestThree(CrossEntropyLoss):
        def forward(self, pred, label, **rest):
            rest.pop('ignore_index', None)
            each = torch.nn.functional.cross_entropy(pred, label, ignore_index=255, reduction='none').mean((1, 2))
            return each.topk(3).values.mean()

    @MODELS.register_module()
    class NeverANumber(CrossEntropyLoss):
        def forward(self, *args, **rest):
            return super().forward(*args, **rest) * float('nan')

    @MODELS.register_module()
    class WithoutGradient(CrossEntropyLoss):
        def forward(self, *args, **rest):
            return super().forward(*args, **rest).detach()

    @MODELS.register_module()
    class TooLarge(CrossEntropyLoss):
        def forward(self, *args, **rest):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    @HOOKS.register_module()
    class WritesScalars(Hook):
        def before_train(self, runner):
            runner.visualizer.get_backend('LocalVisBackend').add_scalar('begun', 1)

    @HOOKS.register_module()
    class ReadsTheCheckpoint(Hook):
        def after_load_checkpoint(self, runner, checkpoint):
            self.seen = checkpoint['state_dict']

        def before_test_epoch(self, runner):
            assert self.seen

    @HOOKS.register_module()
    class EndsTheProcess(Hook):
        def before_train(self, runner):
            raise SystemExit(0)

    @HOOKS.register_module()
    class Meddles(Hook):
        def before_train(self, runner):
            torch.set_default_dtype(torch.float64)
            torch.backends.cudnn.benchmark = True
            os.chdir('/')
            os.environ['OMP_NUM_THREADS'] = '77'
            np.seterr(all='raise')

    @HOOKS.register_module()
    class Leaves(Hook):
        def before_train(self, runner):
            os._exit(0)

    yield
    for registry, classes in (
        (MODELS, (HardestThree, NeverANumber, WithoutGradient, TooLarge)),
        (HOOKS, (WritesScalars, ReadsTheCheckpoint, EndsTheProcess, Meddles, Leaves)),
    ):
        for cls in classes:
            del registry._module_dict[cls.__name__]


def tried(config, *, training=True, tmp_path='/tmp'):
    return fault_of(Attempt(training, config, [], [(0, 41 * 73), (1, 48 * 64)], 2, 255, str(tmp_path)))


def said(config):
    with pytest.raises(Exception) as caught:
        try_training(config, [0, 1])
    return describe(caught.value, config, [])


def head(**values):
    return dict(model=dict(decode_head=values))


def pipeline(*steps):
    return dict(train_dataloader=dict(dataset=dict(pipeline=[*steps, dict(type='PackSegInputs')])))


def test_a_sound_training_and_inference_pass(config, monkeypatch):
    passes = []

    def counted(name, method):
        monkeypatch.setattr(EncoderDecoder, name, lambda *args: passes.append(name) or method(*args))

    for name in ('loss', 'predict'):
        counted(name, getattr(EncoderDecoder, name))
    try_training(config, [0, 1])
    assert passes == ['loss']  # one step
    try_inference(config, [(0, 41 * 73), (1, 48 * 64)], 2, 255)
    assert passes == ['loss', 'predict', 'predict']  # each image
    assert tried(config) is None and tried(config, training=False) is None


BROKEN = {
    'class_weight of the wrong length': (
        head(loss_decode=dict(class_weight=[1.0, 2.0, 3.0])),
        ['model.decode_head.loss_decode', 'class_weight', '2 classes'],
    ),
    'class_weight beside use_sigmoid': (
        head(out_channels=1, threshold=0.5, loss_decode=dict(use_sigmoid=True, class_weight=[1.0, 2.0, 3.0])),
        ['model.decode_head.loss_decode', 'class_weight', 'use_sigmoid'],
    ),
    'one channel without use_sigmoid': (
        head(out_channels=1, threshold=0.5, loss_decode=dict(use_sigmoid=False)),
        ['model.decode_head', 'out_channels', 'use_sigmoid=True'],
    ),
    'images of several sizes without a size': (
        dict(
            model=dict(data_preprocessor=dict(size=None)),
            **pipeline(dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')),
        ),
        ['several sizes', 'data_preprocessor', 'RandomCrop'],
    ),
    'reduce_zero_label in the train pipeline alone': (
        pipeline(
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', reduce_zero_label=True),
            dict(type='RandomCrop', crop_size=CROP),
        ),
        ['train_dataloader.dataset.pipeline.1', 'reduce_zero_label', 'data set'],
    ),
    'photometric on grey images': (
        pipeline(
            dict(type='LoadImageFromFile', color_type='grayscale'),
            dict(type='LoadAnnotations'),
            dict(type='PhotoMetricDistortion'),
        ),
        ['train_dataloader.dataset.pipeline.2', 'PhotoMetricDistortion', 'channels'],
    ),
    'AMP on a CPU': (dict(optim_wrapper=dict(type='AmpOptimWrapper')), ['AmpOptimWrapper', 'GPU']),
}


@pytest.mark.parametrize('name', BROKEN)
def test_a_fault_of_the_first_step_names_culprit_and_cure(config, name):
    overlay, words = BROKEN[name]
    text = said(merge(config, overlay))
    assert all(word in text for word in words), text


def test_a_u_net_without_a_divisor_fails_on_the_odd_image(config):
    broken = merge(config, dict(model=dict(data_preprocessor=dict(test_cfg=None))))
    with pytest.raises(FailedOnImage) as caught:
        try_inference(broken, [(1, 48 * 64), (0, 41 * 73)], 2, 255)
    assert caught.value.index == 0
    text = describe(caught.value.__cause__, broken, [])
    assert 'model.backbone' in text and 'size_divisor=8' in text, text


def test_one_class_with_one_channel_cannot_be_scored(config):
    broken = merge(config, head(num_classes=1, out_channels=1, threshold=0.0))
    with pytest.raises(FailedOnImage) as caught:
        try_inference(broken, [(1, 48 * 64)], 1, 255)
    text = describe(caught.value.__cause__, broken, [])
    assert 'label 1' in text and 'num_classes=2' in text, text


def test_a_loss_that_needs_more_images_gets_as_many_as_the_config_says(config, own):
    hardest = merge(config, head(loss_decode=dict(_delete_=True, type='HardestThree')))
    hardest['train_dataloader'] = {**hardest['train_dataloader'], 'batch_size': 4}
    assert tried(hardest) is None
    assert 'HardestThree' in tried({**hardest, 'train_dataloader': config['train_dataloader']}).text


@pytest.mark.parametrize('hook', ['WritesScalars', 'ReadsTheCheckpoint'])
def test_a_hook_has_its_visualizer_and_its_checkpoint(config, own, hook):
    visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
    hooked = {**config, 'custom_hooks': [dict(type=hook)], 'visualizer': visualizer}
    assert tried(hooked, training=hook == 'WritesScalars') is None


def test_want_of_memory_shows_nothing(config, own):
    assert isinstance(tried(merge(config, head(loss_decode=dict(_delete_=True, type='TooLarge')))), Unshown)


LOSSES = {
    'NeverANumber': ({}, ['first step is nan']),
    'WithoutGradient': ({}, ['detach()']),
    'CrossEntropyLoss': (dict(loss_name='my_ce'), ["loss_name='loss_"]),
}


@pytest.mark.parametrize('name', LOSSES)
def test_a_loss_that_trains_nothing_is_told(config, own, name):
    values, words = LOSSES[name]
    text = tried(merge(config, head(loss_decode=dict(_delete_=True, type=name, **values)))).text
    assert all(word in text for word in words), text


def test_a_hook_that_ends_the_process_is_named(config, own):
    assert (
        "'custom_hooks.0' (EndsTheProcess) fails"
        in tried({**config, 'custom_hooks': [dict(type='EndsTheProcess')]}).text
    )


def test_a_hook_that_meddles_with_the_process_spoils_no_other_trial(config, own):
    before = process_state(), dict(os.environ), torch.backends.cudnn.benchmark
    tried({**config, 'custom_hooks': [dict(type='Meddles')]})
    assert (process_state(), dict(os.environ), torch.backends.cudnn.benchmark) == before
    assert tried(config) is None


def test_a_hook_that_leaves_is_named(config, own):
    text = tried({**config, 'custom_hooks': [dict(type='Leaves')]}).text
    assert "'custom_hooks.0' (Leaves) fails" in text and 'it calls os._exit(0)' in text, text


def test_of_two_parts_of_one_type_the_one_that_failed_is_named(config):
    auxiliary = dict(config['model']['decode_head'], in_index=9)
    text = tried(merge(config, dict(model=dict(auxiliary_head=auxiliary)))).text
    assert "'model.auxiliary_head' (FCNHead) fails" in text, text


def test_a_head_with_other_channels_is_told_the_number(config):
    wrong = tried(merge(config, head(in_channels=7))).text
    assert 'in_channels=' in wrong and 'color_type' not in wrong, wrong


def test_training_samples_without_labels_are_told(config):
    text = tried(merge(config, pipeline(dict(type='LoadImageFromFile'), dict(type='RandomCrop', crop_size=CROP)))).text
    assert 'LoadAnnotations' in text, text
