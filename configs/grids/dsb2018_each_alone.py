# Each technique that the published table or its discussion names, alone and, of the five steps, left out of the stack
# of all; the baseline once more with other seeds, and a known harm, test the grid itself.
title = 'Each technique alone, and left out, on nuclei (2018 Data Science Bowl), small U-Net'
baseline = '../baselines/unet_small_dsb2018.py'
technique_folders = ['nuclei']
designs = [
    dict(
        type='each_alone',
        techniques=[
            # attention
            'cbam',
            'self_attention',
            # losses
            'focal',
            'tversky_loss',
            'boundary_weighted',
            'boundary_distance',
            'focal_dice_boundary',
            # multi-scale
            'multi_scale_training_64',
            'multi_scale_inference',
            'multi_scale_64',
            # views
            'tta_flips',
            'flips_rot90',
            # refinement
            'crf',
            'crf_cleanup',
            'morphology',
            'small_components',
            'boundary_refinement',
            # training practice
            'ohem',
            'mixed_precision_training',
            'heavy_augmentation',
            # encoders
            'pretrained_encoder',
            # several networks
            'ensemble_seeds',
            'half_labels',
            'pseudo_labels',
        ],
    ),
    dict(
        type='leave_one_out', techniques=['cbam', 'focal_dice_boundary', 'multi_scale_64', 'flips_rot90', 'crf_cleanup']
    ),
    # The effect of pseudo-labels is measured against the same true labels without pseudo-labels.
    dict(type='explicit', pairs=[(['pseudo_labels'], ['half_labels'])]),
    dict(type='aa'),
    dict(type='positive_control'),
]
primary = ['each_alone', (['pseudo_labels'], ['half_labels'])]
seeds = 5
