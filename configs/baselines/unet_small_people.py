_base_ = [
    '../_base_/models/unet_small.py',
    '../_base_/datasets/icbm152_people.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_small.py',
]
model = dict(data_preprocessor=dict(size=(96, 96)), decode_head=dict(num_classes=3))
