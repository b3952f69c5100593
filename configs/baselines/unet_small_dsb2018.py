# The small U-Net at two thirds of its width, on crops of 64 pixels instead of 256: a training takes a core less than
# two minutes. The width, the size of the crops and of the batches, and the 1,500 steps were chosen by Dice on the
# validation images, from this baseline alone (results/README.md).
_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/dsb2018.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
custom_imports = dict(
    imports=['plugins.datasets.decoded_cache', 'plugins.hooks.channels_last_training'], allow_failed_imports=False
)
model = dict(
    data_preprocessor=dict(size=(64, 64)), backbone=dict(base_channels=8), decode_head=dict(in_channels=8, channels=8)
)
# Two thirds of the time of a step without them; the samples and the mathematics are the same.
custom_hooks = [dict(type='ChannelsLastTrainingHook')]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DecodedCache',
        max_gib=1.0,
        dataset=dict(
            type={{_base_.dataset_type}},
            data_root={{_base_.data_root}},
            metainfo={{_base_.metainfo}},
            img_suffix='.png',
            data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='RandomCrop', crop_size=(64, 64)),
                dict(type='RandomFlip', prob=0.5, direction='horizontal'),
                dict(type='PackSegInputs'),
            ],
        ),
    )
)
train_cfg = dict(max_iters=1500, val_interval=1500)
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=1500, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=1500))
