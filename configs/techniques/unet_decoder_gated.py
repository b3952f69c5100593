title = 'U-Net decoder with attention gates'
description = 'A U-Net decoder on all levels of the backbone, attention gates on its skips, instead of the decode head.'
use_when = (
    'As unet_decoder, when the target is small within large clutter; compare with unet_decoder, not the baseline.'
)
paper = 'Oktay et al., Attention U-Net: Learning Where to Look for the Pancreas, MIDL 2018'
imports = ['plugins.heads.unet_head']
overlay = dict(
    model=dict(
        decode_head=dict(
            _keep_=[
                'num_classes',
                'out_channels',
                'threshold',
                'loss_decode',
                'ignore_index',
                'align_corners',
                'sampler',
                'norm_cfg',
                'act_cfg',
                'dropout_ratio',
            ],
            type='UNetHead',
            in_channels=dict(_probe_='channels'),
            in_strides=dict(_probe_='strides'),
            in_index=dict(_probe_='levels'),
            attention_gates=True,
        )
    )
)
