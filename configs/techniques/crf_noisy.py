# The parameters are those of crf_cleanup_noisy, whose comment tells their origin.
title = 'CRF (kernels for noise)'
description = 'As crf, with parameters for images with strong noise, searched on validation images.'
use_when = (
    'For noisy images, after tools/search_dense_crf on your validation images; a good network leaves it little to do.'
)
paper = 'Krähenbühl & Koltun, Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials, NeurIPS 2011'
imports = ['plugins.refine.dense_crf']
overlay = dict(
    inference=dict(
        refine=dict(
            crf=dict(
                order=10,
                type='DenseCRF',
                iterations=5,
                gaussian_sxy=1,
                gaussian_compat=1,
                bilateral_sxy=5,
                bilateral_srgb=40,
                bilateral_compat=0.3,
            )
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
    },
    trials=30,
)
