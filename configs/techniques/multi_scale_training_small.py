title = 'multi-scale training'
description = 'Training size drawn per batch from 64, 96, 128.'
use_when = 'For crops of about 96 px whose objects vary in size; not where the scale is calibrated.'
paper = 'Chen et al., Attention to Scale: Scale-aware Semantic Image Segmentation, CVPR 2016'
imports = ['plugins.preprocessors.multi_scale']
overlay = dict(model=dict(data_preprocessor=dict(type='MultiScaleSegDataPreProcessor', sizes=[64, 96, 128])))
