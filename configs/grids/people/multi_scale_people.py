_base_ = '../../techniques/multi_scale_small.py'
description = 'Training size drawn per batch from 48, 64, 80; inference at scales 0.5, 1, 1.5.'
use_when = 'For the crops of 64 px of the embedded people; inference takes three passes.'
overlay = dict(model=dict(data_preprocessor=dict(sizes=[48, 64, 80])))
