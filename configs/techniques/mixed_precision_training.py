title = 'mixed precision (training)'
description = 'Forward passes of training in float16 with loss scaling (on a CPU: bfloat16, slow without AMX).'
use_when = 'On GPUs with tensor cores, to save memory or time; not on CPUs without AMX; watch losses that underflow.'
paper = 'Micikevicius et al., Mixed Precision Training, ICLR 2018'
imports = ['plugins.optim.mixed_precision']
overlay = dict(optim_wrapper=dict(type='MixedPrecisionOptimWrapper'))
