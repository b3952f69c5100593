title = 'hard pixels (OHEM)'
description = 'The loss sees pixels with p < 0.7 for the true class, and at least the hardest fifth of each image.'
use_when = (
    'When most pixels are easy, as in street scenes; not with noisy annotation, whose errors are the hardest pixels.'
)
paper = (
    'Shrivastava et al., Training Region-based Object Detectors with Online Hard Example Mining, CVPR 2016; '
    'Wu et al., High-performance Semantic Segmentation Using Very Deep Fully Convolutional Networks, 2016'
)
imports = ['plugins.mining.ohem_fraction_sampler']
overlay = dict(
    model=dict(decode_head=dict(sampler=dict(_delete_=True, type='OHEMFractionSampler', fraction=0.2, thresh=0.7)))
)
search = dict(space=dict(fraction=[0.1, 0.2, 0.4], thresh=[0.5, 0.7, 0.9]), trials=9)
