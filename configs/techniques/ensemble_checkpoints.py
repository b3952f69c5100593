title = 'ensemble of 3 checkpoints'
description = 'Mean of the probabilities after 80, 90 and 100 % of one training.'
use_when = 'When one training is all you can pay; its members are alike, and early ones may be worse than the last.'
paper = 'Chen et al., Checkpoint Ensembles: Ensemble Methods from a Single Training Process, 2017'
imports = ['plugins.hooks.ensemble']
overlay = dict(
    ensemble=dict(last_checkpoints=3),
    default_hooks=dict(
        checkpoint=dict(by_epoch=False, interval=dict(_from_='train_cfg.max_iters', _times_=0.1), max_keep_ckpts=-1)
    ),
    custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]),
)
