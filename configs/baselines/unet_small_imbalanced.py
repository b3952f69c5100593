_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/icbm152_imbalanced.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
model = dict(data_preprocessor=dict(size=(96, 96)), decode_head=dict(num_classes=2))
# The classifying layer learns ten times as fast as the rest (as in mmseg's ViT configs): where the features of lesions
# are zero, its bias alone decides, and 250 small steps leave it just below the threshold, every pixel background.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'conv_seg': dict(lr_mult=10.0)}))
