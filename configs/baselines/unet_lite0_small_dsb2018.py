# A U-Net on a pretrained encoder, trained as unet_small_dsb2018 is.
_base_ = [
    '../_base_/models/unet_lite0_small.py',
    '../_base_/datasets/dsb2018_crops.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_1500.py',
]
custom_imports = dict(
    imports=[
        'plugins.datasets.decoded_cache',
        'plugins.hooks.channels_last_training',
        'plugins.backbones.efficientnet_lite0',
        'plugins.heads.unet_head',
    ],
    allow_failed_imports=False,
)
model = dict(data_preprocessor=dict(size=(64, 64)))
custom_hooks = [dict(type='ChannelsLastTrainingHook')]
