title = 'loss (focal + Dice + boundary)'
description = 'Focal + Dice + distance-map boundary loss instead of cross entropy.'
use_when = 'For imbalanced data whose contours count; three terms at once: ablate each before crediting one.'
paper = (
    'Lin et al., Focal Loss for Dense Object Detection, ICCV 2017; Milletari et al., V-Net, 3DV 2016; '
    'Kervadec et al., Boundary loss for highly unbalanced segmentation, MIDL 2019'
)
imports = ['plugins.losses.focal_dice_boundary']
overlay = dict(
    model=dict(
        decode_head=dict(
            loss_decode=dict(
                _delete_=True, type='FocalDiceBoundaryLoss', focal_weight=1.0, dice_weight=1.0, boundary_weight=0.01
            )
        )
    )
)
search = dict(
    space=dict(
        focal_weight=dict(low=0.1, high=10.0, log=True),
        dice_weight=dict(low=0.1, high=10.0, log=True),
        boundary_weight=dict(low=0.001, high=0.1, log=True),
    ),
    trials=12,
)
