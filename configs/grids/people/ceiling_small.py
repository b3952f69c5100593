title = 'ceiling recipe'
description = (
    'The small U-Net at twice the width, trained eight times as long on larger crops of turned, scaled and recoloured'
    ' images.'
)
use_when = 'As a reference row: what more compute gives on this data set, without any technique.'
overlay = dict(
    model=dict(
        data_preprocessor=dict(size=(96, 96)),
        backbone=dict(base_channels=32),
        decode_head=dict(in_channels=32, channels=32),
    ),
    train_cfg=dict(max_iters=2000, val_interval=2000),
    param_scheduler=[
        dict(type='LinearLR', start_factor=0.01, begin=0, end=25, by_epoch=False),
        dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=25, end=2000, by_epoch=False),
    ],
    default_hooks=dict(checkpoint=dict(interval=2000)),
    train_dataloader=dict(
        dataset=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='RandomResize', scale=(160, 160), ratio_range=(0.8, 1.25), keep_ratio=True),
                dict(type='RandomRotate', prob=0.8, degree=15, pad_val=0, seg_pad_val=0),
                dict(type='PhotoMetricDistortion'),
                dict(type='RandomCrop', crop_size=(96, 96)),
                dict(type='RandomFlip', prob=0.5, direction='horizontal'),
                dict(type='PackSegInputs'),
            ]
        )
    ),
)
