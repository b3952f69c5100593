title = 'deep supervision'
description = (
    'An auxiliary classifier on every level of the backbone during training, weights halved with the '
    'resolution; replaces all auxiliary heads that the baseline has.'
)
use_when = 'For deep networks that learn slowly in early layers; costs nothing at test; replaces your auxiliary heads.'
paper = 'Lee et al., Deeply-Supervised Nets, AISTATS 2015'
imports = ['plugins.heads.deep_supervision_head']
overlay = dict(
    model=dict(
        auxiliary_head=dict(
            _delete_=True,
            type='DeepSupervisionHead',
            in_channels=dict(_probe_='channels'),
            in_strides=dict(_probe_='strides'),
            in_index=dict(_probe_='levels'),
            num_classes=dict(_from_='model.decode_head.num_classes'),
            ignore_index=dict(_from_='model.decode_head.ignore_index', _else_=255),
            align_corners=dict(_from_='model.decode_head.align_corners', _else_=False),
            loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
        )
    )
)
