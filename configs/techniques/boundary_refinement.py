title = 'boundary refinement'
description = (
    'A small U-Net, a quarter as wide as in the paper, adds a learned residual to the logits of the decode '
    'head; coarse and refined logits are both trained.'
)
use_when = 'When the head is coarse and contours count; a decoder with skips has most of the detail already.'
paper = 'Qin et al., BASNet: Boundary-Aware Salient Object Detection, CVPR 2019'
imports = ['plugins.heads.boundary_refinement_head']
overlay = dict(
    model=dict(
        decode_head=dict(_wrap_='head', type='BoundaryRefinementHead', refinement_channels=16, refinement_depth=4)
    )
)
