title = 'TTA (8 flips and turns)'
description = 'Mean of the probabilities over the image turned by 0, 90, 180 and 270 degrees, mirrored or not.'
use_when = 'For images without any preferred direction (aerial, microscopy); costs 8 passes.'
paper = 'Wang et al., Aleatoric uncertainty estimation with test-time augmentation, Neurocomputing 2019'
imports = ['plugins.views.composed', 'plugins.views.flip', 'plugins.views.rot90']
overlay = dict(
    inference=dict(
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            vflip=dict(type='FlipView', direction='vertical'),
            rot90=dict(type='Rot90View', quarter_turns=1),
            rot180=dict(type='Rot90View', quarter_turns=2),
            rot270=dict(type='Rot90View', quarter_turns=3),
            rot90_hflip=dict(
                type='ComposedView',
                views=[dict(type='Rot90View', quarter_turns=1), dict(type='FlipView', direction='horizontal')],
            ),
            rot90_vflip=dict(
                type='ComposedView',
                views=[dict(type='Rot90View', quarter_turns=1), dict(type='FlipView', direction='vertical')],
            ),
        )
    )
)
