# Objects of one size: what several scales of training and inference give where there is a single scale.
title = 'Multi-scale on lesions of one size'
baseline = '../baselines/unet_small_fixed_scale.py'
designs = [
    dict(
        type='each_alone',
        techniques=['multi_scale_training_small', 'multi_scale_inference', 'multi_scale_small', 'tta_flips'],
    ),
    dict(type='aa'),
]
seeds = 3
