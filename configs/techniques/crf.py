title = 'CRF (usual kernels)'
description = "Dense CRF on the merged probabilities, with the kernels of pydensecrf's examples."
use_when = (
    'For photographs with sharp colour edges and coarse predictions; not untuned on noisy images: -53 points '
    'of Dice on the embedded slices.'
)
paper = 'Krähenbühl & Koltun, Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials, NeurIPS 2011'
imports = ['plugins.refine.dense_crf']
overlay = dict(inference=dict(refine=dict(crf=dict(order=10, type='DenseCRF', iterations=5))))
search = dict(
    space={
        'crf.gaussian_sxy': [1, 3],
        'crf.gaussian_compat': dict(low=0.1, high=5.0, log=True),
        'crf.bilateral_sxy': dict(low=3.0, high=100.0, log=True),
        'crf.bilateral_srgb': dict(low=5.0, high=150.0, log=True),
        'crf.bilateral_compat': dict(low=0.1, high=10.0, log=True),
    },
    trials=30,
)
