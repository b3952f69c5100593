"""A very small network and its pictures, for stages that run in the process of the test."""

import logging

import pytest
from mmengine.registry import DefaultScope

import plugins.hooks.inference  # noqa: F401 (registers the hook)
from benchmarks.check.global_state import global_state_restored
from benchmarks.check.toy_data import CLASSES, dataset, draw_pictures

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
CROP = dict(type='RandomCrop', crop_size=(16, 16))
NORM = dict(type='BN')


@pytest.fixture
def own_state():
    """mmengine gives two runners of one name and second one visualiser, which writes to the folder of the first."""
    with global_state_restored():
        yield


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp('pictures') / 'toy'
    draw_pictures(root, 32)
    return root


@pytest.fixture
def config(pictures, own_state):
    """A resolved config of a very small network, which trains for four steps and tests four images."""
    logging.getLogger('mmengine').propagate = False
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[110.0] * 3, std=[40.0] * 3, size=(16, 16), test_cfg=dict(size_divisor=4)
        ),
        backbone=dict(
            type='UNet',
            base_channels=4,
            num_stages=2,
            strides=(1, 1),
            enc_num_convs=(1, 1),
            dec_num_convs=(1,),
            downsamples=(True,),
            enc_dilations=(1, 1),
            dec_dilations=(1,),
            norm_cfg=NORM,
        ),
        decode_head=dict(
            type='FCNHead',
            in_channels=4,
            in_index=1,
            channels=4,
            num_convs=1,
            concat_input=False,
            num_classes=len(CLASSES),
            norm_cfg=NORM,
        ),
        train_cfg={},
        test_cfg=dict(mode='whole'),
    )
    resolved = dict(
        model=model,
        default_scope='mmseg',
        log_level='ERROR',
        randomness=dict(seed=0),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='InfiniteSampler'),
            dataset=dataset(pictures, 'train', [*PIPELINE[:2], CROP, PIPELINE[2]]),
        ),
        test_dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset(pictures, 'test', PIPELINE),
        ),
        test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4),
        test_cfg=dict(type='TestLoop'),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=2)),
        custom_hooks=[dict(type='InferenceHook')],
        inference=dict(views={}, refine={}),
        teacher=dict(confidence=0.0),
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield resolved
