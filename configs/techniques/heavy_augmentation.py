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
                    dict(type='ElasticDeformation'),
                    dict(type='PhotoMetricDistortion'),
                    dict(type='SquareCutOut'),
                ],
                _before_='PackSegInputs',
            )
        )
    ),
    custom_hooks=dict(_insert_=[dict(type='CutMixHook')]),
)
