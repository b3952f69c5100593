title = 'multi-scale inference'
description = 'Mean of the probabilities at scales 0.5, 1 and 1.5.'
use_when = 'For a network trained at several scales; without that, halving the image may hide small objects.'
paper = 'Chen et al., Attention to Scale: Scale-aware Semantic Image Segmentation, CVPR 2016'
imports = ['plugins.views.scale']
overlay = dict(
    inference=dict(views=dict(scale_050=dict(type='ScaleView', scale=0.5), scale_150=dict(type='ScaleView', scale=1.5)))
)
