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
# 600 steps instead of 250: after 250 steps with cross entropy, every pixel is still predicted as background.
train_cfg = dict(max_iters=600, val_interval=600)
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=600, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=600))
