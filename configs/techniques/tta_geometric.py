title = 'TTA (4 flips, geometric mean)'
description = 'As tta_flips, with the normalised geometric mean of the probabilities; the same map as tta_mean_logits.'
use_when = 'To see that it equals tta_mean_logits; otherwise take that one.'
paper = 'Hinton, Training Products of Experts by Minimizing Contrastive Divergence, Neural Computation 2002'
imports = ['plugins.views.flip', 'plugins.views.rot90']
# Its maps equal those of tta_mean_logits; plugins/views/merge_rules.py shows why.
# The views are those of tta_flips, with the same names, so that a stack of both is refused: it would count them twice.
overlay = dict(
    inference=dict(
        merge='geometric',
        views=dict(
            hflip=dict(type='FlipView', direction='horizontal'),
            vflip=dict(type='FlipView', direction='vertical'),
            rot180=dict(type='Rot90View', quarter_turns=2),
        ),
    )
)
