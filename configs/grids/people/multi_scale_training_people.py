_base_ = '../../techniques/multi_scale_training_small.py'
description = 'Training size drawn per batch from 48, 64, 80.'
use_when = 'For the crops of 64 px of the embedded people; not where the scale is calibrated.'
overlay = dict(model=dict(data_preprocessor=dict(sizes=[48, 64, 80])))
