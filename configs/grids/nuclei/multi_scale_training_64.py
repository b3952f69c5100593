_base_ = '../../techniques/multi_scale_training_small.py'
description = 'Training size drawn per batch from 48, 64, 96.'
use_when = 'For crops of about 64 px whose objects vary in size; not where the scale is calibrated.'
overlay = dict(model=dict(data_preprocessor=dict(sizes=[48, 64, 96])))
