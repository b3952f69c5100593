_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/dsb2018.py',
    '../_base_/runtime.py',
    '../_base_/schedules/schedule_20k.py',
]
model = dict(data_preprocessor=dict(size=(256, 256)))
