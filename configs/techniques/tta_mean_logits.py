title = 'TTA (4 flips, mean of logits)'
description = 'As tta_flips, with the mean of the logits, then softmax, instead of the mean of the probabilities.'
use_when = 'Compare with tta_flips when one wrong, very sure view should be able to veto the others.'
paper = 'Hinton, Training Products of Experts by Minimizing Contrastive Divergence, Neural Computation 2002'
imports = ['plugins.views.flip', 'plugins.views.rot90']
# The views are those of tta_flips, with the same names, so that a stack of both is refused: it would count them twice.
overlay = dict(
    inference=dict(
        merge='mean_logits',
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            vflip=dict(type='FlipView', direction='vertical'),
            rot180=dict(type='Rot90View', quarter_turns=2),
        ),
    )
)
