title = 'Improvement table on the embedded people'
baseline = '../baselines/unet_small_people.py'
technique_folders = ['people']
designs = [
    dict(
        type='cumulative',
        techniques=['cbam', 'focal_dice_boundary', 'multi_scale_people', 'flips_rot90', 'crf_cleanup'],
    )
]
seeds = 5  # so many tell most steps apart within ten minutes on two cores; with 3 most are undecided
tune_only = ['crf_cleanup']
tune = 20  # post-processing gets a second row, whose parameters are chosen on the validation images
published_dice = {
    'baseline': 85.0,
    'cbam': 87.0,
    'cbam+focal_dice_boundary': 88.5,
    'cbam+focal_dice_boundary+multi_scale_people': 90.0,
    'cbam+focal_dice_boundary+multi_scale_people+flips_rot90': 91.5,
    'cbam+focal_dice_boundary+multi_scale_people+flips_rot90+crf_cleanup': 92.0,
}
