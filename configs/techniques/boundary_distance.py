# With gamma = 0, the focal loss is the cross entropy, both for softmax heads and for a single sigmoid channel.
title = 'loss (boundary distance)'
description = 'Cross entropy plus the distance-map boundary loss.'
use_when = 'When contours matter (HD95, NSD) on rare classes; needs a region loss beside it, here the cross entropy.'
paper = 'Kervadec et al., Boundary loss for highly unbalanced segmentation, MIDL 2019'
imports = ['plugins.losses.focal', 'plugins.losses.boundary']
overlay = dict(
    model=dict(
        decode_head=dict(
            loss_decode=[
                dict(type='SoftmaxFocalLoss', gamma=0.0, loss_name='loss_ce'),
                dict(type='KervadecBoundaryLoss', loss_weight=0.01),
            ]
        )
    )
)
search = dict(space={'loss_decode.1.loss_weight': [0.001, 0.003, 0.01, 0.03, 0.1]}, trials=5)
