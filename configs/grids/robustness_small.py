# The steps of the published table and two augmentations, alone, on the clean test images and under twelve conditions.
title = 'Robustness to noise, blur, low contrast and JPEG on the embedded people'
baseline = '../baselines/unet_small_people.py'
technique_folders = ['people']
designs = [
    dict(
        type='each_alone',
        techniques=[
            'cbam',
            'focal_dice_boundary',
            'multi_scale_people',
            'flips_rot90',
            'photometric',
            'heavy_augmentation',
        ],
        conditions=[
            'noise_1',
            'noise_2',
            'noise_3',
            'blur_1',
            'blur_2',
            'blur_3',
            'contrast_1',
            'contrast_2',
            'contrast_3',
            'jpeg_1',
            'jpeg_2',
            'jpeg_3',
        ],
    )
]
seeds = 3
