title = 'Improvement table on nuclei (2018 Data Science Bowl), U-Net on a pretrained EfficientNet-Lite0'
baseline = '../baselines/unet_lite0_small_dsb2018.py'
technique_folders = ['nuclei']
designs = [
    dict(
        type='cumulative',
        techniques=['cbam_neck', 'focal_dice_boundary', 'multi_scale_64', 'flips_rot90', 'crf_cleanup'],
    )
]
seeds = 5
tune_only = ['crf_cleanup']
tune = 20
published_dice = {
    'baseline': 85.0,
    'cbam_neck': 87.0,
    'cbam_neck+focal_dice_boundary': 88.5,
    'cbam_neck+focal_dice_boundary+multi_scale_64': 90.0,
    'cbam_neck+focal_dice_boundary+multi_scale_64+flips_rot90': 91.5,
    'cbam_neck+focal_dice_boundary+multi_scale_64+flips_rot90+crf_cleanup': 92.0,
}
