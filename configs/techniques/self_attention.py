title = 'self-attention'
description = 'Multi-head self-attention, residual from 0, on each level that a head reads; at most 256 averaged keys.'
use_when = (
    'When context beyond the receptive field decides; its latency can exceed that of a small network (4 '
    'times on the embedded data).'
)
paper = (
    'Vaswani et al., Attention Is All You Need, NeurIPS 2017; Wang et al., Non-local Neural Networks, CVPR 2018; '
    'Wang et al., Pyramid Vision Transformer, ICCV 2021'
)
imports = ['plugins.attention.self_attention', 'plugins.necks.attention_neck']
overlay = dict(
    model=dict(
        neck=dict(
            _wrap_='neck',
            type='AttentionNeck',
            block=dict(type='SelfAttention', num_heads=4, max_keys=256),
            in_channels=dict(_probe_='channels'),
            levels=dict(_probe_='levels_read'),
        )
    )
)
