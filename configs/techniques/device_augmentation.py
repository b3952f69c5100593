title = 'augmentation on the device'
description = 'Flips and photometric distortion that end the pipeline, done on the device: the same samples.'
use_when = 'When loader processes are the bottleneck and a GPU waits; the samples stay the same.'
paper = 'Riba et al., Kornia: an Open Source Differentiable Computer Vision Library for PyTorch, WACV 2020'
imports = ['plugins.hooks.device_augmentation']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='DeviceAugmentationHook')]))
