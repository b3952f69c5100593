title = 'multi-scale training (256–512 px)'
description = 'Training size drawn per batch from 256, 384, 512.'
use_when = 'For images of 512 px whose objects vary in size; not where the scale is calibrated.'
paper = 'Chen et al., Attention to Scale: Scale-aware Semantic Image Segmentation, CVPR 2016'
imports = ['plugins.preprocessors.multi_scale']
overlay = dict(model=dict(data_preprocessor=dict(type='MultiScaleSegDataPreProcessor', sizes=[256, 384, 512])))
