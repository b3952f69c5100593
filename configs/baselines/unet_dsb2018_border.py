_base_ = [
    '../_base_/models/unet.py',
    '../_base_/datasets/dsb2018_border.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_20k.py',
]
model = dict(data_preprocessor=dict(size=(256, 256)), decode_head=dict(num_classes=3))
