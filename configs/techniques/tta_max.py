title = 'TTA (4 flips, maximum)'
description = 'As tta_flips, with the normalised maximum of the probabilities.'
use_when = (
    'Compare with tta_flips when each object is seen well in one view only; it is more sensitive to false alarms.'
)
paper = 'Kittler et al., On Combining Classifiers, IEEE TPAMI 1998'
imports = ['plugins.views.flip', 'plugins.views.rot90']
# The views are those of tta_flips, with the same names, so that a stack of both is refused: it would count them twice.
overlay = dict(
    inference=dict(
        merge='max',
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            vflip=dict(type='FlipView', direction='vertical'),
            rot180=dict(type='Rot90View', quarter_turns=2),
        ),
    )
)
