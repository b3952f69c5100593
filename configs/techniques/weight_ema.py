title = 'EMA of weights'
description = 'Tested is a moving average of weights and batch statistics: over the last ninth of steps, at most 1000.'
use_when = 'When scores vary from checkpoint to checkpoint; costs no latency; in short runs the average may lag behind.'
paper = (
    'Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; '
    'Tarvainen & Valpola, Mean teachers are better role models, NeurIPS 2017'
)
imports = ['plugins.hooks.weight_ema']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='WeightEMAHook')]))
