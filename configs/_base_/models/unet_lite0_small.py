# As unet_lite0, but small enough for a CPU: levels up to stride 16, and a decoder of a quarter of the width.
_base_ = './unet_lite0.py'
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=16)),
    backbone=dict(out_indices=(0, 1, 2, 3)),
    decode_head=dict(
        in_channels=[16, 24, 40, 112], in_strides=[2, 4, 8, 16], in_index=[0, 1, 2, 3], channels_per_stride=8
    ),
)
