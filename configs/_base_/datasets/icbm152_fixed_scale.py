# The embedded people with round lesions of a single size (160×160), written on first use.
_base_ = './icbm152_people.py'
custom_imports = dict(imports=['plugins.datasets.icbm152_lesions'], allow_failed_imports=False)
dataset_type = 'ICBM152LesionDataset'
data_root = '{{$ABLATION_WORK_DIR:work_dirs}}/data/icbm152_fixed_scale'
metainfo = dict(classes=('background', 'lesion'), palette=[[0, 0, 0], [230, 159, 0]], background=0)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, variant='fixed_scale', metainfo=metainfo))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, variant='fixed_scale', metainfo=metainfo))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, variant='fixed_scale', metainfo=metainfo))
