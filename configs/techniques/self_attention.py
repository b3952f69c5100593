title = 'self-attention'
description = 'Multi-head self-attention, residual from 0, on each level that a head reads; at most 256 averaged keys.'
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
