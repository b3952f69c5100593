title = 'CRF (usual kernels)'
description = "Dense CRF on the merged probabilities, with the kernels of pydensecrf's examples."
use_when = (
    'For photographs with sharp colour edges and coarse predictions; not for noisy images: -53 points of '
    'Dice on the embedded data.'
)
paper = 'Krähenbühl & Koltun, Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials, NeurIPS 2011'
imports = ['plugins.refine.dense_crf']
overlay = dict(inference=dict(refine=dict(crf=dict(order=10, type='DenseCRF', iterations=5))))
