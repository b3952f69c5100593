model = {'type': 'EncoderDecoder',
 'data_preprocessor': {'type': 'SegDataPreProcessor',
                       'mean': [123.675, 116.28, 103.53],
                       'std': [58.395, 57.12, 57.375],
                       'bgr_to_rgb': True,
                       'pad_val': 0,
                       'seg_pad_val': 255,
                       'test_cfg': {'size_divisor': 8},
                       'size': (64, 64)},
 'backbone': {'type': 'UNet',
              'in_channels': 3,
              'base_channels': 8,
              'num_stages': 4,
              'strides': (1, 1, 1, 1),
              'enc_num_convs': (2, 2, 2, 2),
              'dec_num_convs': (2, 2, 2),
              'downsamples': (True, True, True),
              'enc_dilations': (1, 1, 1, 1),
              'dec_dilations': (1, 1, 1),
              'norm_cfg': {'type': 'BN', 'requires_grad': True}},
 'decode_head': {'type': 'FCNHead',
                 'in_channels': 8,
                 'in_index': 3,
                 'channels': 8,
                 'num_convs': 1,
                 'concat_input': False,
                 'dropout_ratio': 0.1,
                 'num_classes': 2,
                 'norm_cfg': {'type': 'BN', 'requires_grad': True},
                 'align_corners': False,
                 'loss_decode': {'type': 'CrossEntropyLoss', 'use_sigmoid': False, 'loss_weight': 1.0}},
 'train_cfg': {},
 'test_cfg': {'mode': 'whole'}}
train_dataloader = {'batch_size': 8,
 'num_workers': 0,
 'persistent_workers': False,
 'sampler': {'type': 'PairedSampler', 'infinite': True, 'shuffle': True},
 'dataset': {'type': 'PairedDataset',
             'dataset': {'type': 'DecodedCache',
                         'max_gib': 1.0,
                         'dataset': {'type': 'BaseSegDataset',
                                     'data_root': 'data/dsb2018',
                                     'metainfo': {'classes': ('background', 'nucleus'),
                                                  'palette': [[0, 0, 0], [230, 159, 0]],
                                                  'background': 0},
                                     'img_suffix': '.png',
                                     'data_prefix': {'img_path': 'img_dir/train', 'seg_map_path': 'ann_dir/train'},
                                     'pipeline': [{'type': 'LoadImageFromFile'},
                                                  {'type': 'LoadAnnotations'},
                                                  {'type': 'RandomCrop', 'crop_size': (64, 64)},
                                                  {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'},
                                                  {'type': 'PackSegInputs'}]}}}}
val_dataloader = None
test_dataloader = {'batch_size': 1,
 'num_workers': 0,
 'persistent_workers': False,
 'sampler': {'type': 'DefaultSampler', 'shuffle': False},
 'dataset': {'type': 'BaseSegDataset',
             'data_root': 'data/dsb2018',
             'metainfo': {'classes': ('background', 'nucleus'), 'palette': [[0, 0, 0], [230, 159, 0]], 'background': 0},
             'img_suffix': '.png',
             'data_prefix': {'img_path': 'img_dir/test', 'seg_map_path': 'ann_dir/test'},
             'pipeline': [{'type': 'LoadImageFromFile'}, {'type': 'LoadAnnotations'}, {'type': 'PackSegInputs'}]}}
val_evaluator = None
test_evaluator = {'type': 'IoUMetric', 'iou_metrics': ['mIoU', 'mDice']}
default_scope = 'mmseg'
env_cfg = {'cudnn_benchmark': False,
 'mp_cfg': {'mp_start_method': 'fork', 'opencv_num_threads': 0},
 'dist_cfg': {'backend': 'nccl'}}
visualizer = {'type': 'SegLocalVisualizer', 'vis_backends': [{'type': 'LocalVisBackend'}], 'name': 'visualizer'}
log_processor = {'by_epoch': False}
log_level = 'INFO'
load_from = None
resume = False
optim_wrapper = {'type': 'OptimWrapper', 'optimizer': {'type': 'AdamW', 'lr': 0.003, 'weight_decay': 0.0001}, 'clip_grad': None}
param_scheduler = [{'type': 'PolyLR', 'eta_min': 1e-05, 'power': 0.9, 'begin': 0, 'end': 1500, 'by_epoch': False}]
train_cfg = {'type': 'IterBasedTrainLoop', 'max_iters': 1500, 'val_interval': 1500}
val_cfg = None
test_cfg = {'type': 'TestLoop'}
default_hooks = {'timer': {'type': 'IterTimerHook'},
 'logger': {'type': 'LoggerHook', 'interval': 25, 'log_metric_by_epoch': False},
 'param_scheduler': {'type': 'ParamSchedulerHook'},
 'checkpoint': {'type': 'CheckpointHook',
                'by_epoch': False,
                'interval': -1,
                'save_last': True,
                'save_optimizer': False,
                'save_param_scheduler': False},
 'sampler_seed': {'type': 'DistSamplerSeedHook'},
 'visualization': {'type': 'SegVisualizationHook'}}
custom_imports = {'imports': ['plugins.datasets.decoded_cache',
             'plugins.datasets.paired',
             'plugins.hooks.channels_last_training',
             'plugins.hooks.ensemble',
             'plugins.hooks.inference',
             'plugins.hooks.paired_arms',
             'plugins.views.identity'],
 'allow_failed_imports': False}
custom_hooks = [{'type': 'PairedArmsHook', 'num_threads': 1}, {'type': 'InferenceHook'}, {'type': 'ChannelsLastTrainingHook'}]
inference = {'views': {'identity': {'type': 'IdentityView'}}, 'refine': {}}
randomness = {'seed': 1}
