title = 'JPEG 3 of 3'
description = 'Test images compressed as JPEG of quality 7.'
paper = (
    'Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019'
)
imports = ['plugins.transforms.corrupt']
overlay = dict(
    test_dataloader=dict(
        dataset=dict(
            pipeline=dict(_insert_=[dict(type='CorruptImage', kind='jpeg', strength=3)], _after_='LoadImageFromFile')
        )
    )
)
