"""Flips and distortions on the device: the samples that the pipeline would have made."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS, MODELS
from torch.utils.data import DataLoader

import plugins.datasets.decoded_cache
import plugins.hooks.cut_mix
import plugins.preprocessors.multi_scale
import plugins.transforms.elastic  # noqa: F401
from plugins.datasets.paired import PairedSampler
from plugins.hooks.device_augmentation import DRAWS, DeviceAugmentationHook, leave_to_device, pipelines

OURS = dict(type='DeviceAugmentationHook')
FLIP = dict(type='RandomFlip', prob=[0.4, 0.3], direction=['horizontal', 'vertical'])
PHOTO = dict(type='PhotoMetricDistortion')
ELASTIC = dict(type='ElasticDeformation')
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomCrop', crop_size=(16, 16))]
PACK = dict(type='PackSegInputs')
CACHED = dict(type='DecodedCache', max_gib=0.01)


@pytest.fixture(autouse=True)
def names_of_mmseg():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def hook_of(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, DeviceAugmentationHook))


def config(root, *transforms, pack=PACK):
    return dict(
        type='BaseSegDataset',
        data_root=str(root),
        img_suffix='.png',
        seg_map_suffix='.png',
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        metainfo=dict(classes=('dark', 'bright')),
        pipeline=[*LOAD, *transforms, pack],
    )


@pytest.fixture
def dataset(small_pictures):
    def make(*transforms, wrap=lambda one: one, **more):
        return DATASETS.build(wrap(config(small_pictures, *transforms, **more)))

    return make


def runner_of(dataset, warnings=None):
    backbone = dict(
        type='UNet',
        base_channels=2,
        num_stages=2,
        strides=(1, 1),
        enc_num_convs=(1, 1),
        dec_num_convs=(1,),
        downsamples=(True,),
        enc_dilations=(1, 1),
        dec_dilations=(1,),
    )
    head = dict(type='FCNHead', in_channels=2, in_index=1, channels=2, num_classes=2)
    model = dict(
        type='EncoderDecoder', backbone=backbone, decode_head=head, data_preprocessor=dict(type='SegDataPreProcessor')
    )
    return SimpleNamespace(
        model=MODELS.build(model),
        train_dataloader=SimpleNamespace(dataset=dataset),
        logger=SimpleNamespace(warning=(warnings if warnings is not None else []).append),
    )


def batches(dataset, count, hook=None):
    """Images, label maps and meta information of the first samples of a run with seed 3."""
    runner, found = runner_of(dataset), []
    if hook:
        hook.before_train(runner)
    loader = iter(DataLoader(dataset, batch_size=2, sampler=PairedSampler(dataset, seed=3), collate_fn=pseudo_collate))
    for step in range(count // 2):
        batch = next(loader)
        if hook:
            hook.before_train_iter(runner, step, batch)
        found += zip(batch['inputs'], batch['data_samples'])
    return found


def assert_equal(some, others):
    assert len(some) == len(others) > 0
    for (image, sample), (other_image, other) in zip(some, others):
        # Crops of 16 columns are none of the blocks in which OpenCV's vector code works: see plugins/transforms/hsv.py.
        assert (image.int() - other_image.int()).abs().float().mean() < 1.5 and image.dtype == other_image.dtype
        assert torch.equal(sample.gt_sem_seg.data, other.gt_sem_seg.data)
        assert sample.metainfo == other.metainfo and DRAWS not in sample


def repeated(one):
    return dict(type='RepeatDataset', times=2, dataset=one)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda one: one,
        repeated,
        lambda one: dict(type='ConcatDataset', datasets=[one, repeated(one)]),
        lambda one: dict(CACHED, dataset=repeated(one)),
        lambda one: dict(
            type='MultiImageMixDataset', dataset=dict(one, pipeline=one['pipeline'][:3]), pipeline=one['pipeline'][3:]
        ),
    ],
    ids=['plain', 'repeated', 'joined', 'cached', 'mixed'],
)
def test_paired_samples_are_the_same(dataset, wrap):
    def paired(one):
        return dict(type='PairedDataset', dataset=wrap(one))

    expected, hook = batches(dataset(FLIP, PHOTO, wrap=paired), 24), DeviceAugmentationHook()
    assert_equal(batches(dataset(FLIP, PHOTO, wrap=paired), 24, hook), expected)
    assert 15 < hook.acted <= 24
    directions = {sample.metainfo['flip_direction'] for _, sample in expected}
    assert directions == {None, 'horizontal', 'vertical'}
    hook = DeviceAugmentationHook()
    ours, flips = batches(dataset(FLIP, wrap=paired), 24, hook), batches(dataset(FLIP, wrap=paired), 24)
    assert all(torch.equal(image, other) for (image, _), (other, _) in zip(ours, flips))
    assert hook.acted == sum(sample.metainfo['flip'] for _, sample in flips)


@pytest.mark.parametrize(
    'more, loader',
    [([], dict()), ([], dict(num_workers=1, persistent_workers=True)), ([dict(type='CutMixHook', prob=1.0)], dict())],
    ids=str,
)
def test_a_plain_training_ends_with_the_same_weights(plain_run, more, loader):
    plain = plain_run(more, steps=5, transforms=[FLIP], loader=loader).train().state_dict()
    run = plain_run([*more, OURS], steps=5, transforms=[FLIP], loader=loader)
    ours = run.train().state_dict()
    assert all(torch.equal(plain[name], ours[name]) for name in plain) and 0 < hook_of(run).acted <= 10


def test_it_is_there_in_every_epoch_and_in_a_second_training(plain_run):
    loop = dict(train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2), transforms=[FLIP, PHOTO])
    loader = dict(sampler=dict(type='DefaultSampler', shuffle=True))
    run = plain_run([OURS], loader=loader, **loop)
    run.train()
    once = hook_of(run).acted
    assert 6 < once <= 12
    hook_of(run).before_train(run)
    assert 'OnDevice(OnDevice' not in repr(run.train_dataloader.dataset.pipeline)


def test_it_goes_with_sizes_drawn_for_each_batch(plain_run, small_model):
    model = dict(
        small_model,
        data_preprocessor=dict(
            small_model['data_preprocessor'], sizes=[8, 16, 24], seed=0, type='MultiScaleSegDataPreProcessor'
        ),
    )
    plain, ours = [plain_run(hooks, steps=4, transforms=[FLIP], model=model).train() for hooks in ([], [OURS])]
    assert all(map(torch.equal, plain.state_dict().values(), ours.state_dict().values()))


def test_a_resumed_training_sees_the_samples_of_one_that_was_not_interrupted(plain_run, small_pictures, small_model):
    model = dict(small_model, decode_head=dict(small_model['decode_head'], dropout_ratio=0.0))
    paired = dict(
        loader=dict(
            sampler=dict(type='PairedSampler'), dataset=dict(type='PairedDataset', dataset=config(small_pictures, FLIP))
        ),
        model=model,
    )
    saving = dict(default_hooks=dict(logger=None, checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)))
    whole = plain_run([], steps=6, **paired).train().state_dict()
    first = plain_run([OURS], steps=3, **paired, **saving)
    first.train()
    rest = plain_run([OURS], steps=6, **paired, load_from=f'{first.work_dir}/iter_3.pth', resume=True)
    ours = rest.train().state_dict()
    assert all(torch.equal(whole[name], ours[name]) for name in whole) and 0 < hook_of(rest).acted <= 6


def test_only_what_nothing_follows_is_moved_and_the_rest_is_named(dataset):
    data, said = dataset(FLIP, ELASTIC, PHOTO), []
    hook = DeviceAugmentationHook()
    hook.before_train(runner_of(data, said))
    kinds = [type(transform).__name__ for transform in data.pipeline.transforms]
    assert kinds[3:] == ['RandomFlip', 'ElasticDeformation', '_Drawing', '_Packing']
    assert said == ['RandomFlip stays in the training pipeline: other transforms follow.'] and hook.acted == 0


@pytest.mark.parametrize('transforms', [[], [FLIP, PHOTO, ELASTIC]], ids=['nothing', 'something behind'])
def test_nothing_to_move_is_refused_by_name(dataset, transforms):
    data = dataset(*transforms)
    names = ', '.join(['RandomCrop', *(one['type'] for one in transforms), 'PackSegInputs'])
    with pytest.raises(ValueError, match=names):
        DeviceAugmentationHook().before_train(runner_of(data))
    assert all(type(one).__name__[0] != '_' for one in data.pipeline.transforms[:-1])


def test_a_transform_of_another_type_stays(dataset):
    from mmseg.datasets.transforms import PackSegInputs, RandomFlip

    class Special(RandomFlip):
        pass

    assert leave_to_device([Special(prob=1.0), RandomFlip(prob=0.5), PackSegInputs()]) == 1
    assert leave_to_device([RandomFlip(prob=0.5), Special(prob=1.0), PackSegInputs()]) == 0
    assert [len(found) for found in pipelines(dataset(FLIP, wrap=repeated))] == [5]


def test_a_batch_from_processes_that_began_before_is_refused(dataset):
    data = dataset(FLIP)
    runner, hook = runner_of(data), DeviceAugmentationHook()
    batch = pseudo_collate([data[0], data[1]])
    hook.before_train(runner)
    with pytest.raises(RuntimeError, match='started before'):
        hook.before_train_iter(runner, 0, batch)


def test_a_stacked_batch_stays_one_and_the_loaders_tensors_are_left_alone(dataset):
    hook, data = DeviceAugmentationHook(), dataset(dict(type='RandomFlip', prob=1.0))
    runner = runner_of(data)
    hook.before_train(runner)
    np.random.seed(0)
    one = data[0]
    image, labels = one['inputs'].clone(), one['data_samples'].gt_sem_seg.data.clone()
    batch = dict(inputs=one['inputs'][None], data_samples=[one['data_samples']])
    hook.before_train_iter(runner, 0, batch)
    assert torch.equal(batch['inputs'], image.flip(-1)[None]) and hook.acted == 1
    assert torch.equal(batch['data_samples'][0].gt_sem_seg.data, labels.flip(-1))
    assert torch.equal(one['inputs'], image) and torch.equal(one['data_samples'].gt_sem_seg.data, labels)


def test_nothing_is_counted_where_nothing_trains(plain_run):
    run = plain_run([OURS], transforms=[FLIP])
    assert isinstance(run, Runner) and 'mIoU' in run.test() and hook_of(run).acted is None
    assert HOOKS.build(OURS).acted is None
