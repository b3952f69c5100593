title = 'heavy augmentation'
description = 'Elastic, photometric, cut-out and CutMix augmentation together.'
use_when = 'For long trainings on few images; in short ones it may keep the network from fitting: try its parts first.'
paper = 'Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical segmentation, 2021'
imports = ['plugins.transforms.elastic', 'plugins.transforms.cut_out', 'plugins.hooks.cut_mix']
overlay = dict(
    train_dataloader=dict(
        dataset=dict(
            pipeline=dict(
                _insert_=[
                    dict(
                        type='ElasticDeformation', seg_pad_val=dict(_from_='model.decode_head.ignore_index', _else_=255)
                    ),
                    dict(type='PhotoMetricDistortion'),
                    dict(type='SquareCutOut', seg_fill=dict(_from_='model.decode_head.ignore_index', _else_=255)),
                ],
                _before_='PackSegInputs',
            )
        )
    ),
    custom_hooks=dict(_insert_=[dict(type='CutMixHook')]),
)
