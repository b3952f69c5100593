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
search = dict(
    space={
        'crf.gaussian_sxy': [1, 3],
        'crf.gaussian_compat': dict(low=0.1, high=5.0, log=True),
        'crf.bilateral_sxy': dict(low=3.0, high=100.0, log=True),
        'crf.bilateral_srgb': dict(low=5.0, high=150.0, log=True),
        'crf.bilateral_compat': dict(low=0.1, high=10.0, log=True),
        'opening.radius': [1, 2, 3],
        'components.min_size': [4, 8, 16, 32, 64],
    },
    trials=30,
)
