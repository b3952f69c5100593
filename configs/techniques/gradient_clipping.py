title = 'gradient clipping'
description = 'Gradients longer than 0.5 (over all parameters) are scaled to length 0.5.'
use_when = 'When the loss spikes or diverges; the length 0.5 depends on the loss: compare it with your gradients.'
paper = 'Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013'
imports = ['plugins.hooks.clipped_steps']
overlay = dict(
    optim_wrapper=dict(clip_grad=dict(max_norm=0.5)), custom_hooks=dict(_insert_=[dict(type='ClippedStepsHook')])
)
search = dict(space=dict(max_norm=[0.1, 0.5, 1.0, 5.0]), trials=4)
