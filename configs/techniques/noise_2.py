title = 'noise 2 of 3'
description = 'Gaussian noise with sigma 0.18 of the grey scale on the test images.'
use_when = 'A test condition rather than an improvement: does a gain survive medium sensor noise? It trains nothing.'
paper = (
    'Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019'
)
imports = ['plugins.transforms.corrupt']
overlay = dict(
    test_dataloader=dict(
        dataset=dict(
            pipeline=dict(
                _insert_=[dict(type='CorruptImage', kind='gaussian_noise', strength=2)], _after_='LoadImageFromFile'
            )
        )
    )
)
