_base_ = [
    '../_base_/models/unet_lite0_small.py',
    '../_base_/datasets/icbm152.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
model = dict(data_preprocessor=dict(size=(96, 96)), decode_head=dict(num_classes=3))
custom_imports = dict(
    imports=['plugins.datasets.icbm152', 'plugins.backbones.efficientnet_lite0', 'plugins.heads.unet_head']
)
