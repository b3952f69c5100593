title = 'mixed precision (inference)'
description = 'The network in float16 when testing (on a CPU: bfloat16, slow without AMX); probabilities in float32.'
use_when = 'On GPUs with tensor cores, when latency or memory counts; labels may change where two classes tie.'
paper = 'Micikevicius et al., Mixed Precision Training, ICLR 2018'
imports = ['plugins.hooks.mixed_precision_inference']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='MixedPrecisionInferenceHook')]))
