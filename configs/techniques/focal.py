title = 'loss (focal)'
description = 'Focal loss over softmax probabilities instead of cross entropy.'
use_when = (
    'When easy background dominates the loss; its probabilities are less confident, which thresholds and CRFs notice.'
)
paper = 'Lin et al., Focal Loss for Dense Object Detection, ICCV 2017'
imports = ['plugins.losses.focal']
overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='SoftmaxFocalLoss', gamma=2.0))))
search = dict(space=dict(gamma=[0.5, 1.0, 2.0, 3.0, 5.0]), trials=5)
