title = 'Improvement table on the embedded data set'
baseline = '../baselines/unet_small_icbm152.py'
designs = [
    dict(
        type='cumulative',
        techniques=['cbam', 'focal_dice_boundary', 'multi_scale_small', 'flips_rot90', 'crf_cleanup_noisy'],
    )
]
seeds = 3
published_dice = {
    'baseline': 85.0,
    'cbam': 87.0,
    'cbam+focal_dice_boundary': 88.5,
    'cbam+focal_dice_boundary+multi_scale_small': 90.0,
    'cbam+focal_dice_boundary+multi_scale_small+flips_rot90': 91.5,
    'cbam+focal_dice_boundary+multi_scale_small+flips_rot90+crf_cleanup_noisy': 92.0,
}
