title = 'attention (CBAM neck)'
description = 'Channel and spatial attention on each level that a head reads, between any backbone and any head.'
use_when = 'As cbam, for any backbone and head; not where its levels are attended to already (transformers).'
paper = 'Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018'
imports = ['plugins.attention.cbam', 'plugins.necks.attention_neck']
overlay = dict(
    model=dict(
        neck=dict(
            _wrap_='neck',
            type='AttentionNeck',
            block=dict(type='CBAM', reduction=4),
            in_channels=dict(_probe_='channels'),
            levels=dict(_probe_='levels_read'),
        )
    )
)
