title = 'elastic augmentation'
description = 'Half of the training images, with their masks, bent by a smooth random field.'
use_when = 'For few images of soft tissue or cells; not for rigid objects such as buildings and cars.'
paper = (
    'Simard et al., Best Practices for Convolutional Neural Networks, ICDAR 2003; '
    'Ronneberger et al., U-Net, MICCAI 2015'
)
imports = ['plugins.transforms.elastic']
overlay = dict(
    train_dataloader=dict(
        dataset=dict(
            pipeline=dict(
                _insert_=[
                    dict(
                        type='ElasticDeformation', seg_pad_val=dict(_from_='model.decode_head.ignore_index', _else_=255)
                    )
                ],
                _before_='PackSegInputs',
            )
        )
    )
)
search = dict(space={'_insert_.0.strength': [0.01, 0.04], '_insert_.0.prob': [0.25, 1.0]}, trials=5)
