title = 'loss (Tversky)'
description = 'Tversky loss, misses weighed 0.7 and false alarms 0.3, instead of cross entropy.'
use_when = (
    'When misses cost more than false alarms, as with small lesions; not when precision counts as much as recall.'
)
paper = (
    'Salehi et al., Tversky loss function for image segmentation using 3D fully convolutional deep networks, MLMI 2017'
)
imports = ['plugins.losses.tversky']
overlay = dict(
    model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='GeneralTverskyLoss', alpha=0.3, beta=0.7)))
)
search = dict(space=dict(alpha=[0.3, 0.5, 0.7], beta=[0.3, 0.5, 0.7]), trials=9)
