_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/dsb2018.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
# Crops of 128 pixels instead of 256: a quarter of the work per step.
model = dict(data_preprocessor=dict(size=(128, 128)))
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='RandomCrop', crop_size=(128, 128)),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='PackSegInputs'),
        ]
    )
)
# 1,500 steps: chosen by Dice on the validation images, from this baseline alone (results/README.md).
train_cfg = dict(max_iters=1500, val_interval=1500)
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=1500, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=1500))
