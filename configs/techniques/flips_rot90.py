title = 'TTA (flips, rot90)'
description = 'Mean of the probabilities over mirrored and quarter-turned copies of the image.'
use_when = (
    'For images without any preferred direction, a cheaper tta_dihedral; not for street scenes or organs in situ.'
)
paper = 'Wang et al., Aleatoric uncertainty estimation with test-time augmentation, Neurocomputing 2019'
imports = ['plugins.views.flip', 'plugins.views.rot90']
overlay = dict(
    inference=dict(
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            vflip=dict(type='FlipView', direction='vertical'),
            rot90=dict(type='Rot90View', quarter_turns=1),
        )
    )
)
