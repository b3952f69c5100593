title = 'Improvement table on nuclei (2018 Data Science Bowl), small U-Net'
baseline = '../baselines/unet_small_dsb2018.py'
technique_folders = ['nuclei']
designs = [
    dict(type='cumulative', techniques=['cbam', 'focal_dice_boundary', 'multi_scale_64', 'flips_rot90', 'crf_cleanup'])
]
seeds = 5
tune_only = ['crf_cleanup']
tune = 20  # post-processing gets a second row, whose parameters are chosen on the validation images
published_dice = {
    'baseline': 85.0,
    'cbam': 87.0,
    'cbam+focal_dice_boundary': 88.5,
    'cbam+focal_dice_boundary+multi_scale_64': 90.0,
    'cbam+focal_dice_boundary+multi_scale_64+flips_rot90': 91.5,
    'cbam+focal_dice_boundary+multi_scale_64+flips_rot90+crf_cleanup': 92.0,
}
