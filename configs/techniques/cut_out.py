title = 'cut-out'
description = 'In half of the training images a square (0.4 of the side) is hidden, its labels void.'
use_when = (
    'When objects are partly hidden in use, or the network overfits; not when the training is too short to overfit.'
)
paper = 'DeVries & Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017'
imports = ['plugins.transforms.cut_out']
overlay = dict(
    train_dataloader=dict(
        dataset=dict(
            pipeline=dict(
                _insert_=[
                    dict(type='SquareCutOut', seg_fill=dict(_from_='model.decode_head.ignore_index', _else_=255))
                ],
                _before_='PackSegInputs',
            )
        )
    )
)
search = dict(space={'_insert_.0.side': [0.2, 0.6], '_insert_.0.prob': [0.25, 1.0]}, trials=5)
