# As dsb2018.py, with the inner boundary of the nuclei as a third class.
_base_ = './dsb2018.py'
metainfo = dict(
    classes=('background', 'inside', 'border'), palette=[[0, 0, 0], [230, 159, 0], [213, 94, 0]], background=0
)
train_dataloader = dict(dataset=dict(metainfo=metainfo, data_prefix=dict(seg_map_path='ann_dir_border/train')))
val_dataloader = dict(dataset=dict(metainfo=metainfo, data_prefix=dict(seg_map_path='ann_dir_border/val')))
test_dataloader = dict(dataset=dict(metainfo=metainfo, data_prefix=dict(seg_map_path='ann_dir_border/test')))
