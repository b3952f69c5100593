# A U-Net decoder on an EfficientNet-Lite0 with ImageNet weights from an installed package: 5.2 million parameters.
# Baselines import plugins.backbones.efficientnet_lite0, plugins.heads.unet_head and the module of their data set.
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.0, 127.0, 127.0],  # the normalisation with which the weights were trained
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(type='EfficientNetLite0', pretrained=True),
    decode_head=dict(
        type='UNetHead',
        in_channels=[16, 24, 40, 112, 320],
        in_strides=[2, 4, 8, 16, 32],
        in_index=[0, 1, 2, 3, 4],
        dropout_ratio=0.1,
        num_classes=2,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
