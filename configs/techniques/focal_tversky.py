# The paper's alpha = 0.7, the weight of misses, is beta here. The paper's exponent 1/gamma = 3/4 is gamma here.
title = 'loss (focal Tversky)'
description = 'Tversky loss to the power 3/4 for each class, misses weighed 0.7, instead of cross entropy.'
use_when = (
    'As tversky_loss, when rare classes stay badly segmented; not where the annotation of small objects is noisy.'
)
paper = (
    'Abraham & Khan, A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation, '
    'ISBI 2019'
)
imports = ['plugins.losses.tversky']
overlay = dict(
    model=dict(
        decode_head=dict(loss_decode=dict(_delete_=True, type='GeneralTverskyLoss', alpha=0.3, beta=0.7, gamma=0.75))
    )
)
search = dict(space=dict(alpha=[0.3, 0.5, 0.7], beta=[0.3, 0.5, 0.7], gamma=[0.5, 0.75, 1.0]), trials=9)
