title = 'folded batch norm (inference)'
description = 'Batch norms folded into the convolutions before them when testing, images and weights in channels_last.'
use_when = 'Whenever a network with batch norm is served: equal up to rounding, and fewer operations.'
paper = (
    'Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, '
    'CVPR 2018'
)
imports = ['plugins.hooks.folded_inference']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='FoldedInferenceHook')]))
