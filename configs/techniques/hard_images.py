title = 'hard images'
description = 'Images are drawn half uniformly, half in proportion to their running loss.'
use_when = (
    'When a few kinds of image carry most of the loss; not with wrong masks: these images would be drawn most often.'
)
paper = 'Katharopoulos & Fleuret, Not All Samples Are Created Equal: Deep Learning with Importance Sampling, ICML 2018'
imports = ['plugins.mining.hard_image_sampler', 'plugins.mining.hard_image_hook']
overlay = dict(
    train_dataloader=dict(sampler=dict(_delete_=True, type='HardImageSampler', mix=0.5, momentum=0.5)),
    custom_hooks=dict(_insert_=[dict(type='HardImageMiningHook')]),
)
