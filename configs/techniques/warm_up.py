title = 'learning-rate warm-up'
description = 'Learning rate linear from 1 % in the first 5 % of steps, for baselines without one.'
use_when = 'For transformers, large batches or high learning rates; skip it when the baseline already warms up.'
paper = 'Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, 2017'
overlay = dict(
    param_scheduler=dict(
        _each_=dict(begin=dict(_from_='train_cfg.max_iters', _times_=0.05)),
        _insert_=[
            dict(
                type='LinearLR',
                start_factor=0.01,
                begin=0,
                by_epoch=False,
                end=dict(_from_='train_cfg.max_iters', _times_=0.05),
            )
        ],
    )
)
