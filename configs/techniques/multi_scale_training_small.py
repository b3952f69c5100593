title = 'multi-scale training'
description = 'Training size drawn per batch from 64, 96, 128.'
paper = 'Chen et al., Attention to Scale: Scale-aware Semantic Image Segmentation, CVPR 2016'
imports = ['plugins.preprocessors.multi_scale']
overlay = dict(model=dict(data_preprocessor=dict(type='MultiScaleSegDataPreProcessor', sizes=[64, 96, 128])))
