title = 'keep the largest component'
description = 'Of every foreground class only the largest component stays: for images with one object of each class.'
use_when = (
    'Only when each image holds exactly one object of each class, such as an organ; elsewhere it deletes true objects.'
)
paper = 'Isensee et al., nnU-Net: a self-configuring method for biomedical image segmentation, Nature Methods 2021'
imports = ['plugins.refine.components']
overlay = dict(inference=dict(refine=dict(largest=dict(order=31, type='Components', keep_largest=True))))
