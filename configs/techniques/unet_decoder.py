title = 'U-Net decoder'
description = 'A U-Net decoder on all levels of the backbone instead of the decode head; classes and losses stay.'
use_when = 'When the head reads coarse levels and small objects or contours count; costs memory at high resolution.'
paper = 'Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015'
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
        )
    )
)
