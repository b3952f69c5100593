title = 'low contrast 2 of 3'
description = 'Contrast of the test images reduced to 20 % of what it was.'
use_when = 'A test condition rather than an improvement: does a gain survive medium poor exposure? It trains nothing.'
paper = (
    'Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019'
)
imports = ['plugins.transforms.corrupt']
overlay = dict(
    test_dataloader=dict(
        dataset=dict(
            pipeline=dict(
                _insert_=[dict(type='CorruptImage', kind='contrast', strength=2)], _after_='LoadImageFromFile'
            )
        )
    )
)
