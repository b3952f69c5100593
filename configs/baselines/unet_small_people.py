_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/icbm152_people.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
model = dict(data_preprocessor=dict(size=(96, 96)), decode_head=dict(num_classes=3))
# A quarter less time for a step; the samples and the mathematics are the same.
custom_imports = dict(
    imports=['plugins.datasets.icbm152_people', 'plugins.hooks.channels_last_training'], allow_failed_imports=False
)
custom_hooks = [dict(type='ChannelsLastTrainingHook')]
