title = 'longer schedule'
description = 'Twice the steps, its learning-rate schedule stretched: the control for what needs more compute.'
use_when = 'Always, beside any technique that costs more compute: it shows what the same time buys without it.'
overlay = dict(
    train_cfg=dict(max_iters=dict(_times_=2)),
    param_scheduler=dict(
        _each_=dict(
            begin=dict(_times_=2),
            end=dict(_times_=2),
            T_max=dict(_times_=2),
            milestones=dict(_times_=2),
            step_size=dict(_times_=2),
            total_steps=dict(_times_=2),
            periods=dict(_times_=2),
        )
    ),
)
