title = 'attention (CBAM)'
description = 'Channel and spatial attention on the features that enter the decode head, an FCNHead.'
use_when = 'For heads of FCNHead type that confuse classes or clutter; almost no parameters, so expect small effects.'
paper = 'Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018'
imports = ['plugins.heads.cbam_fcn_head']
sibling = 'cbam_neck'
overlay = dict(model=dict(decode_head=dict(_only_='FCNHead', type='CBAMFCNHead', cbam_reduction=4)))
