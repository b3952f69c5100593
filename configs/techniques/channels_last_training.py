title = 'channels_last (training)'
description = 'Weights and images in channels_last memory format when training: the same mathematics, other rounding.'
use_when = 'For convolutional networks on GPUs with tensor cores or on recent CPUs; not for transformers.'
paper = 'Li et al., Optimizing Memory Efficiency for Deep Convolutional Neural Networks on GPUs, SC 2016'
imports = ['plugins.hooks.channels_last_training']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='ChannelsLastTrainingHook')]))
