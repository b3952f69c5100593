_base_ = [
    '../_base_/models/unet_lite0.py',
    '../_base_/datasets/dsb2018.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_20k.py',
]
model = dict(data_preprocessor=dict(size=(256, 256)))
custom_imports = dict(
    imports=['plugins.backbones.efficientnet_lite0', 'plugins.heads.unet_head'], allow_failed_imports=False
)
