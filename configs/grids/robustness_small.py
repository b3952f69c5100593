title = 'Robustness to noise, blur, low contrast and JPEG on the embedded data set'
baseline = '../baselines/unet_small_icbm152.py'
designs = [
    dict(
        type='each_alone',
        techniques=['focal_dice_boundary', 'flips_rot90'],
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
