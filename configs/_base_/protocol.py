# What every cell of a grid gets, so that arms are comparable: the same start and the same samples for the same seed, one
# thread per operation, no validation during training (the last checkpoint is the result), and the hook that applies
# `inference` at test time.
custom_imports = dict(
    imports=[
        'plugins.datasets.paired',
        'plugins.hooks.paired_arms',
        'plugins.hooks.inference',
        'plugins.views.identity',
    ]
)
custom_hooks = [dict(type='PairedArmsHook', num_threads=1), dict(type='InferenceHook')]
inference = dict(views=dict(identity=dict(type='IdentityView')), refine=dict())
default_hooks = dict(checkpoint=dict(interval=-1, save_last=True, save_optimizer=False, save_param_scheduler=False))
resume = False
val_dataloader = None
val_cfg = None
val_evaluator = None
# Put around the baseline's training data set and instead of mmengine's samplers (a technique's own sampler stays).
paired_dataset = dict(type='PairedDataset')
paired_samplers = dict(
    InfiniteSampler=dict(type='PairedSampler', infinite=True), DefaultSampler=dict(type='PairedSampler', infinite=False)
)
