# Five techniques one upon another, and each left out of the stack of all; thirteen alone, among them the five; the
# weights of a loss of three terms; and the rows that test the grid itself.
title = 'Full story on the embedded people'
baseline = '../baselines/unet_small_people.py'
technique_folders = ['people']
designs = [
    dict(
        type='cumulative',
        techniques=['cbam', 'focal_dice_boundary', 'multi_scale_people', 'flips_rot90', 'crf_cleanup'],
    ),
    dict(
        type='leave_one_out',
        techniques=['cbam', 'focal_dice_boundary', 'multi_scale_people', 'flips_rot90', 'crf_cleanup'],
    ),
    dict(
        type='each_alone',
        techniques=[
            'cbam',
            'focal_dice_boundary',
            'multi_scale_people',
            'flips_rot90',
            'crf_cleanup',
            'focal',
            'focal_tversky',
            'ohem',
            'tta_flips',
            'pretrained_encoder',
            'multi_scale_inference',
            'morphology',
            'small_components',
        ],
    ),
    # A simplex-centroid design around the technique's own weights, 1 : 1 : 0.01. The boundary term is counted in
    # hundredths, so that the weights of each point add up to 3. No term is alone: the boundary term cannot stand alone.
    dict(
        type='sweep',
        technique='focal_dice_boundary',
        over=[
            dict(focal_weight=focal, dice_weight=dice, boundary_weight=boundary / 100)
            for focal, dice, boundary in (
                (2, 0.5, 0.5),
                (0.5, 2, 0.5),
                (0.5, 0.5, 2),
                (1.25, 1.25, 0.5),
                (1.25, 0.5, 1.25),
                (0.5, 1.25, 1.25),
                (1, 1, 1),
            )
        ],
    ),
    dict(type='aa'),
    dict(type='positive_control'),
]
seeds = 3
baseline_seeds = 'auto'
tune_only = ['crf_cleanup']
tune = 20  # every row with post-processing gets a second one, whose parameters are chosen on the validation images
