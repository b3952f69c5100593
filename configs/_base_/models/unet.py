# mmseg's UNet and FCNHead in full size for a GPU: 5 stages of 64 … 1024 channels, 29 million parameters.
_base_ = './unet_small.py'
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=16)),
    backbone=dict(
        base_channels=64,
        num_stages=5,
        strides=(1, 1, 1, 1, 1),
        enc_num_convs=(2, 2, 2, 2, 2),
        dec_num_convs=(2, 2, 2, 2),
        downsamples=(True, True, True, True),
        enc_dilations=(1, 1, 1, 1, 1),
        dec_dilations=(1, 1, 1, 1),
    ),
    decode_head=dict(in_channels=64, in_index=4, channels=64),
)
