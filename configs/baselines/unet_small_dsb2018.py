# The small U-Net at two thirds of its width, on crops of 64 pixels instead of 256: a training takes a core less than
# two minutes. The width, the size of the crops and of the batches, and the 1,500 steps were chosen by Dice on the
# validation images, from this baseline alone (results/README.md).
_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/dsb2018_crops.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_1500.py',
]
custom_imports = dict(
    imports=['plugins.datasets.decoded_cache', 'plugins.hooks.channels_last_training'], allow_failed_imports=False
)
model = dict(
    data_preprocessor=dict(size=(64, 64)), backbone=dict(base_channels=8), decode_head=dict(in_channels=8, channels=8)
)
# Two thirds of the time of a step without them; the samples and the mathematics are the same.
custom_hooks = [dict(type='ChannelsLastTrainingHook')]
