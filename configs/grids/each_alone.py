# Each technique alone on the embedded people. multi_scale and multi_scale_training are left out: their sizes suit large
# images. For crops of 64 pixels, multi_scale_people and multi_scale_training_people take their place. So are the CRFs
# for noisy images, and channels_last_training, which the baseline has.
title = 'Each technique alone on the embedded people'
baseline = '../baselines/unet_small_people.py'
technique_folders = ['people']
designs = [
    dict(
        type='each_alone',
        techniques=[
            # attention
            'cbam',
            'cbam_neck',
            'self_attention',
            # losses
            'focal',
            'focal_sigmoid',
            'tversky_loss',
            'focal_tversky',
            'dice_loss',
            'boundary_weighted',
            'boundary_distance',
            'focal_dice_boundary',
            'focal_dice_boundary_ramp',
            # hard examples
            'ohem',
            'hard_images',
            # multi-scale
            'multi_scale_training_people',
            'multi_scale_inference',
            'multi_scale_people',
            # views
            'tta_flips',
            'tta_dihedral',
            'tta_scales_flips',
            'flips_rot90',
            'tta_mean_logits',
            'tta_geometric',
            'tta_max',
            # refinement
            'crf',
            'crf_cleanup',
            'morphology',
            'fill_holes',
            'small_components',
            'largest_component',
            'boundary_refinement',
            # encoders and decoders
            'pretrained_encoder',
            'unet_decoder',
            'unet_decoder_gated',
            'deep_supervision',
            # training practice
            'mixed_precision_training',
            'mixed_precision_inference',
            'compile_training',
            'compile_inference',
            'folded_inference',
            'gradient_checkpointing',
            'gradient_clipping',
            'warm_up',
            'weight_ema',
            'photometric',
            'elastic',
            'cut_out',
            'cut_mix',
            'heavy_augmentation',
            'device_augmentation',
            'persistent_loading',
            'decoded_cache',
            'longer_schedule',
            # several networks
            'ensemble_seeds',
            'ensemble_architectures',
            'ensemble_checkpoints',
            'half_labels',
            'pseudo_labels',
        ],
    ),
    dict(type='aa'),
    dict(type='positive_control'),
    # The effect of pseudo-labels is measured against the same true labels without pseudo-labels.
    dict(type='explicit', pairs=[(['pseudo_labels'], ['half_labels'])]),
    # What noise, blur, less contrast and JPEG cost the baseline says nothing of a technique.
    dict(
        type='explicit',
        pairs=[
            ([f'{condition}_{strength}'], [])
            for condition in ('noise', 'blur', 'contrast', 'jpeg')
            for strength in (1, 2, 3)
        ],
    ),
]
primary = ['each_alone', (['pseudo_labels'], ['half_labels'])]
seeds = 3
