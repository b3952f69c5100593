title = 'CutMix'
description = 'Half of the training images receive a rectangle of another image of the batch, pixels and labels.'
use_when = (
    'For small, varied data sets; needs batches of two or more; not where the place in the image carries meaning.'
)
paper = 'Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019'
imports = ['plugins.hooks.cut_mix']
overlay = dict(custom_hooks=dict(_insert_=[dict(type='CutMixHook')]))
search = dict(space={'_insert_.0.prob': [0.1, 0.25, 1.0]}, trials=4)
