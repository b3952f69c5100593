# mmseg's SegFormer-B0 for one GPU; the encoder has ImageNet weights from the web.
_base_ = 'mmseg::_base_/models/segformer_mit-b0.py'
checkpoint = 'https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth'
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=32)),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    decode_head=dict(norm_cfg=dict(type='BN', requires_grad=True), num_classes=2),
)
