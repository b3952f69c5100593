"""Plain mmsegmentation: a Runner from a plain config, on a few small pictures."""

import copy
import logging

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from PIL import Image

NORM = dict(type='BN')
MODEL = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[120.0, 110.0, 100.0],
        std=[50.0, 60.0, 70.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size=(16, 16),
        test_cfg=dict(size_divisor=4),
    ),
    backbone=dict(
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
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=4,
        in_index=2,
        channels=4,
        num_convs=1,
        concat_input=False,
        num_classes=2,
        norm_cfg=NORM,
        dropout_ratio=0.3,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
CROP = dict(type='RandomCrop', crop_size=(16, 16))


@pytest.fixture(scope='session')
def small_pictures(tmp_path_factory):
    """Folder of 6 noisy pictures of 20×24 pixels with a bright half; don't write to it."""
    root = tmp_path_factory.mktemp('small_pictures')
    rng = np.random.default_rng(3)
    for kind in ('img', 'ann'):
        (root / kind).mkdir()
    for n in range(6):
        mask = np.zeros((20, 24), np.uint8)
        mask[:, rng.integers(6, 18) :] = 1
        image = rng.normal(90, 20, (20, 24, 3)) + 80 * mask[..., None]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / 'img' / f'{n}.png')
        Image.fromarray(mask).save(root / 'ann' / f'{n}.png')
    return root


@pytest.fixture
def plain_run(small_pictures, tmp_path):
    """Make a Runner: ``plain_run(hooks=[…], steps=3, **top-level keys that replace the config's)``."""
    count = iter(range(100))

    def make(hooks=(), *, steps=3, model=MODEL, transforms=(), loader=None, **changes):
        name = f'{tmp_path.name}_{next(count)}'
        data = dict(
            type='BaseSegDataset',
            data_root=str(small_pictures),
            img_suffix='.png',
            seg_map_suffix='.png',
            data_prefix=dict(img_path='img', seg_map_path='ann'),
            metainfo=dict(classes=('dark', 'bright'), palette=[[0, 0, 0], [255, 0, 0]]),
        )
        config = dict(
            model=model,
            default_scope='mmseg',
            log_level='ERROR',
            randomness=dict(seed=0),
            train_dataloader=dict(
                dict(
                    batch_size=2,
                    num_workers=0,
                    persistent_workers=False,
                    sampler=dict(type='InfiniteSampler'),
                    dataset=dict(data, pipeline=[*PIPELINE[:2], CROP, *transforms, PIPELINE[2]]),
                ),
                **(loader or {}),
            ),
            test_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(data, pipeline=PIPELINE),
            ),
            test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=steps),
            test_cfg=dict(type='TestLoop'),
            default_hooks=dict(logger=None, checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=-1)),
            custom_hooks=list(hooks),
            work_dir=str(tmp_path / name),
            experiment_name=name,
        )
        logging.getLogger('mmengine').propagate = False
        return Runner.from_cfg(Config(copy.deepcopy({**config, **changes})))

    with DefaultScope.overwrite_default_scope('mmseg'):
        yield make


@pytest.fixture
def small_model():
    """The config of the model that ``plain_run`` trains."""
    return copy.deepcopy(MODEL)
