# 1,500 steps: minutes on a CPU core.
_base_ = './schedule_small.py'
train_cfg = dict(max_iters=1500, val_interval=1500)
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=1500, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=1500))
