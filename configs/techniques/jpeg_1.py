title = 'JPEG 1 of 3'
description = 'Test images compressed as JPEG of quality 25.'
use_when = 'A test condition rather than an improvement: does a gain survive weak compression? It trains nothing.'
paper = (
    'Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019'
)
imports = ['plugins.transforms.corrupt']
overlay = dict(
    test_dataloader=dict(
        dataset=dict(
            pipeline=dict(_insert_=[dict(type='CorruptImage', kind='jpeg', strength=1)], _after_='LoadImageFromFile')
        )
    )
)
