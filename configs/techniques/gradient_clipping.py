title = 'gradient clipping'
description = 'Gradients longer than 0.5 (over all parameters) are scaled to length 0.5.'
paper = 'Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013'
imports = ['plugins.hooks.clipped_steps']
overlay = dict(
    optim_wrapper=dict(clip_grad=dict(max_norm=0.5)), custom_hooks=dict(_insert_=[dict(type='ClippedStepsHook')])
)
