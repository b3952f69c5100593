# The protocol makes the cells of a grid comparable. For equal seeds, all cells start from the same weights and train on
# the same samples. Operations use one thread. There is no validation during training: the last checkpoint is the
# result. InferenceHook applies `inference` at test time.
custom_imports = dict(
    imports=[
        'plugins.datasets.paired',
        'plugins.hooks.paired_arms',
        'plugins.hooks.ensemble',  # only an `ensemble` asks for its hook; the check of such a config names it
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
# The wrapper of the training data set, and the sampler that replaces mmengine's. The sampler of a technique stays.
paired_dataset = dict(type='PairedDataset')
paired_samplers = dict(
    InfiniteSampler=dict(type='PairedSampler', infinite=True), DefaultSampler=dict(type='PairedSampler', infinite=False)
)
