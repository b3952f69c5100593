# mmseg's DeepLabV3+ on a ResNet-50 for one GPU; ImageNet weights from the web (open-mmlab://resnet50_v1c).
_base_ = 'mmseg::_base_/models/deeplabv3plus_r50-d8.py'
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=8)),
    backbone=dict(norm_cfg=norm_cfg),
    decode_head=dict(norm_cfg=norm_cfg, num_classes=2),
    auxiliary_head=dict(norm_cfg=norm_cfg, num_classes=2),
)
