title = 'multi-scale'
description = 'Training size drawn per batch from 64, 96, 128; inference at scales 0.5, 1, 1.5.'
use_when = 'For crops of about 96 px whose objects vary in size; inference takes three passes.'
paper = 'Chen et al., Attention to Scale: Scale-aware Semantic Image Segmentation, CVPR 2016'
imports = ['plugins.preprocessors.multi_scale', 'plugins.views.scale']
overlay = dict(
    model=dict(data_preprocessor=dict(type='MultiScaleSegDataPreProcessor', sizes=[64, 96, 128])),
    inference=dict(
        views=dict(scale_050=dict(type='ScaleView', scale=0.5), scale_150=dict(type='ScaleView', scale=1.5))
    ),
)
