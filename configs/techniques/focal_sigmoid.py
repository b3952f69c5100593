title = 'loss (focal, one against all)'
description = 'Focal loss over sigmoids, each class against all others, instead of cross entropy.'
use_when = 'As focal, when the classes differ much in frequency; each pixel still gets one label.'
paper = 'Lin et al., Focal Loss for Dense Object Detection, ICCV 2017'
imports = ['plugins.losses.focal_sigmoid']
overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='OneVsAllFocalLoss', gamma=2.0))))
search = dict(space=dict(gamma=[0.5, 1.0, 2.0, 3.0, 5.0]), trials=5)
