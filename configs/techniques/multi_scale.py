title = 'multi-scale (256–512 px)'
description = 'Training size drawn per batch from 256, 384, 512; inference at scales 0.5, 1, 1.5.'
use_when = 'For images of 512 px whose objects vary in size; not where the scale is calibrated, as in microscopy or CT.'
paper = 'Chen et al., Attention to Scale: Scale-aware Semantic Image Segmentation, CVPR 2016'
imports = ['plugins.preprocessors.multi_scale', 'plugins.views.scale']
overlay = dict(
    model=dict(data_preprocessor=dict(type='MultiScaleSegDataPreProcessor', sizes=[256, 384, 512])),
    inference=dict(
        views=dict(scale_050=dict(type='ScaleView', scale=0.5), scale_150=dict(type='ScaleView', scale=1.5))
    ),
)
