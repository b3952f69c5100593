title = 'ceiling recipe'
description = (
    'The small U-Net at twice the width, trained eight times as long on larger crops of turned, flipped and recoloured'
    ' images.'
)
use_when = 'As a reference row: what more compute gives on this data set, without any technique.'
overlay = dict(
    model=dict(
        data_preprocessor=dict(size=(96, 96)),
        backbone=dict(base_channels=16),
        decode_head=dict(in_channels=16, channels=16),
    ),
    train_cfg=dict(max_iters=12000, val_interval=12000),
    param_scheduler=[dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=12000, by_epoch=False)],
    default_hooks=dict(checkpoint=dict(interval=12000)),
    train_dataloader=dict(
        dataset=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='RandomRotate', prob=0.8, degree=45, pad_val=0, seg_pad_val=255),
                dict(type='PhotoMetricDistortion'),
                dict(type='RandomCrop', crop_size=(96, 96)),
                dict(type='RandomFlip', prob=0.5, direction=['horizontal', 'vertical']),
                dict(type='PackSegInputs'),
            ]
        )
    ),
)
