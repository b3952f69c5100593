title = 'loss (Dice)'
description = 'Soft Dice loss over the batch instead of cross entropy.'
use_when = (
    'When Dice is the score and foreground is small; not for calibrated probabilities, which it makes overconfident.'
)
paper = (
    'Milletari et al., V-Net, 3DV 2016; Drozdzal et al., The Importance of Skip Connections in Biomedical Image '
    'Segmentation, DLMIA 2016'
)
imports = ['plugins.losses.dice']
overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='SoftDiceLoss'))))
