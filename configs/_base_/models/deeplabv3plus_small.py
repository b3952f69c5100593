# mmseg's DeepLabV3+ for a CPU: a dilated ResNet-18 of a quarter of the width, with random initial weights.
_base_ = './deeplabv3plus_r50.py'
model = dict(
    pretrained=None,
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    decode_head=dict(in_channels=128, channels=32, dilations=(1, 2, 4, 6), c1_in_channels=16, c1_channels=12),
    auxiliary_head=dict(in_channels=64, channels=16),
)
