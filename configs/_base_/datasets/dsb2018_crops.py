# As dsb2018.py, in crops of 64 pixels from images that are decoded once and kept in memory.
_base_ = './dsb2018.py'
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
