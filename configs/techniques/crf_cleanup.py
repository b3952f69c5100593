title = 'post-processing (CRF with usual kernels, morphology, components)'
description = 'Dense CRF on the merged probabilities, then a 3×3 opening and removal of components below 16 pixels.'
use_when = 'As crf; an opening after it also removes thin structures, so not for vessels or roads.'
paper = 'Krähenbühl & Koltun, Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials, NeurIPS 2011'
imports = ['plugins.refine.dense_crf', 'plugins.refine.morphology', 'plugins.refine.components']
overlay = dict(
    inference=dict(
        refine=dict(
            crf=dict(order=10, type='DenseCRF', iterations=5),
            opening=dict(order=20, type='Morphology', operation='open', radius=1),
            components=dict(order=30, type='Components', min_size=16),
        )
    )
)
