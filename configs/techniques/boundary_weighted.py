title = 'loss (boundary weights)'
description = 'Cross entropy that weighs pixels near a boundary between classes up to 11 times.'
use_when = 'When touching objects must be separated; not with coarse polygon annotation, whose edges are noise.'
paper = 'Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015'
imports = ['plugins.losses.boundary']
overlay = dict(
    model=dict(
        decode_head=dict(
            loss_decode=dict(_delete_=True, type='BoundaryWeightedCrossEntropyLoss', w0=10.0, sigma_px=5.0)
        )
    )
)
search = dict(space=dict(w0=[2.0, 5.0, 10.0, 20.0], sigma_px=[3.0, 5.0, 10.0]), trials=12)
