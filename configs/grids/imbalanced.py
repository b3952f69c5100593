# What is said of losses and hard examples for rare classes: 60 background pixels to one of a lesion.
title = 'Losses and hard examples on small lesions'
baseline = '../baselines/unet_small_imbalanced.py'
designs = [
    dict(
        type='each_alone',
        techniques=['focal', 'tversky_loss', 'focal_tversky', 'dice_loss', 'focal_dice_boundary', 'ohem'],
    ),
    dict(type='aa'),
]
seeds = 3
