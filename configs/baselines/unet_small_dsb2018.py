_base_ = ['../_base_/models/unet_small.py', '../_base_/datasets/dsb2018.py', '../_base_/runtime.py',
          '../_base_/schedules/schedule_small.py']
# Crops of 128 pixels instead of 256: a quarter of the work per step.
model = dict(data_preprocessor=dict(size=(128, 128)))
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(128, 128)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackSegInputs')]))
