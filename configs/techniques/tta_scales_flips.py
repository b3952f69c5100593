title = 'TTA (3 scales, mirrored or not)'
description = 'Mean of the probabilities over the image at scales 0.5, 1 and 1.5, each as it is and mirrored.'
use_when = 'For networks trained at several scales and mirrored; costs 6 passes; not where the scale is calibrated.'
paper = 'Chen et al., Encoder-Decoder with Atrous Separable Convolution (DeepLabV3+), ECCV 2018'
imports = ['plugins.views.composed', 'plugins.views.flip', 'plugins.views.scale']
overlay = dict(
    inference=dict(
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            scale_050=dict(type='ScaleView', scale=0.5),
            scale_050_hflip=dict(
                type='ComposedView',
                views=[dict(type='ScaleView', scale=0.5), dict(type='FlipView', direction='horizontal')],
            ),
            scale_150=dict(type='ScaleView', scale=1.5),
            scale_150_hflip=dict(
                type='ComposedView',
                views=[dict(type='ScaleView', scale=1.5), dict(type='FlipView', direction='horizontal')],
            ),
        )
    )
)
