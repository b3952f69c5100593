_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/icbm152.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_20k.py',
]
model = dict(data_preprocessor=dict(size=(96, 96)), decode_head=dict(num_classes=3))
