# The new backbone has other levels. So the decoder is one that accepts any levels; the neck and the auxiliary heads,
# which fit the old levels, are removed. The weights need inputs normalised by mean 127 and standard deviation 128.
title = 'pretrained encoder (EfficientNet-Lite0)'
description = (
    'An EfficientNet-Lite0 with ImageNet weights and a U-Net decoder instead of backbone, neck and heads; '
    'classes and losses stay.'
)
use_when = (
    'For small sets of photograph-like images; it replaces the whole network: compare parameters and latency too.'
)
paper = (
    'Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019; '
    'Iglovikov & Shvets, TernausNet: U-Net with VGG11 Encoder Pre-Trained on ImageNet, 2018'
)
imports = ['plugins.backbones.efficientnet_lite0', 'plugins.heads.unet_head']
overlay = dict(
    model=dict(
        data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0], bgr_to_rgb=True),
        pretrained=None,
        backbone=dict(_delete_=True, type='EfficientNetLite0', pretrained=True),
        neck=None,
        auxiliary_head=None,
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
        ),
    )
)
