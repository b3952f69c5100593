title = 'low contrast 1 of 3'
description = 'Contrast of the test images reduced to 40 % of what it was.'
use_when = 'A test condition rather than an improvement: does a gain survive weak poor exposure? It trains nothing.'
paper = (
    'Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019'
)
imports = ['plugins.transforms.corrupt']
overlay = dict(
    test_dataloader=dict(
        dataset=dict(
            pipeline=dict(
                _insert_=[dict(type='CorruptImage', kind='contrast', strength=1)], _after_='LoadImageFromFile'
            )
        )
    )
)
