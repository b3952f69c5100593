# A classifier that learns slowly leaves white matter and grey matter one class, in some trainings to the end: its
# learning rate is ten times that of the other layers, as in mmseg's ViT configs (results/README.md has the trials).
_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/icbm152_people.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
# A quarter less time for a step in channels_last; the samples and the mathematics are the same.
custom_imports = dict(
    imports=['plugins.datasets.icbm152_people', 'plugins.hooks.channels_last_training'], allow_failed_imports=False
)
custom_hooks = [dict(type='ChannelsLastTrainingHook')]
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(base_channels=16),
    decode_head=dict(in_channels=16, channels=16, num_classes=3),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomCrop', crop_size=(64, 64)),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='PackSegInputs'),
        ]
    )
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'conv_seg': dict(lr_mult=10.0)}))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=25, end=250, by_epoch=False),
]
