title = 'ensemble of 3 seeds'
description = 'Mean of the probabilities of three networks, which differ in their seed alone.'
use_when = (
    'When accuracy or uncertainty counts more than cost: three trainings, three passes; compare with longer_schedule.'
)
paper = (
    'Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, NeurIPS 2017'
)
imports = ['plugins.hooks.ensemble']
overlay = dict(ensemble=dict(seeds=3), custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]))
