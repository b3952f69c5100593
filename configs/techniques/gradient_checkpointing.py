title = 'gradient checkpointing'
description = "Activations in the backbone's blocks are computed again for backward: less memory, the same weights."
use_when = 'When memory limits batch or crop size; backward computes the backbone again, so training is slower.'
paper = 'Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016'
imports = ['plugins.hooks.gradient_checkpointing']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='GradientCheckpointingHook')]))
