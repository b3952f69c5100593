title = 'loss (focal + Dice + ramped boundary)'
description = 'As focal_dice_boundary, with the boundary term ramped up from 0 over the first half of the training.'
use_when = 'As focal_dice_boundary, when the distance term disturbs early training, while predictions are still random.'
paper = (
    'Lin et al., Focal Loss for Dense Object Detection, ICCV 2017; Milletari et al., V-Net, 3DV 2016; '
    'Kervadec et al., Boundary loss for highly unbalanced segmentation, MIDL 2019'
)
imports = ['plugins.losses.focal_dice_boundary']
overlay = dict(
    model=dict(
        decode_head=dict(
            loss_decode=dict(
                _delete_=True,
                type='FocalDiceBoundaryLoss',
                focal_weight=1.0,
                dice_weight=1.0,
                boundary_weight=0.01,
                boundary_ramp=dict(_from_='train_cfg.max_iters', _times_=0.5),
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
