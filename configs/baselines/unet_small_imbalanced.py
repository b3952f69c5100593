_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/icbm152_imbalanced.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
model = dict(data_preprocessor=dict(size=(96, 96)), decode_head=dict(num_classes=2))
# The learning rate of the classifier is ten times that of the other layers, as in mmseg's ViT configs. If the features
# of lesions are zero, the bias of the classifier alone decides. With the usual learning rate, the bias is still just
# below the threshold after 250 steps, so that every pixel is background.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'conv_seg': dict(lr_mult=10.0)}))
