title = 'TTA (4 flips)'
description = 'Mean of the probabilities over the image, its two mirror images, and the image mirrored both ways.'
use_when = 'When left and right, up and down are equal in the data (microscopy); costs 4 passes; not for street scenes.'
paper = 'Wang et al., Aleatoric uncertainty estimation with test-time augmentation, Neurocomputing 2019'
imports = ['plugins.views.flip', 'plugins.views.rot90']
# An image that is mirrored both ways is an image rotated by 180 degrees.
overlay = dict(
    inference=dict(
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            vflip=dict(type='FlipView', direction='vertical'),
            rot180=dict(type='Rot90View', quarter_turns=2),
        )
    )
)
