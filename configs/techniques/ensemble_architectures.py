title = 'ensemble of 3 architectures'
description = 'Mean of the probabilities of the network itself, one with a U-Net decoder, and one with gated skips.'
use_when = 'When networks should fail differently; costs as ensemble_seeds: compare with that, not with the baseline.'
paper = (
    'Kamnitsas et al., Ensembles of Multiple Models and Architectures for Robust Brain Tumour Segmentation, '
    'BrainLes 2017; Oktay et al., Attention U-Net, MIDL 2018'
)
imports = ['plugins.hooks.ensemble', 'plugins.heads.unet_head']
sibling = 'ensemble_seeds'  # of one architecture, where no other decoder fits the backbone
overlay = dict(
    ensemble=dict(
        members=[
            dict(),
            *(
                dict(
                    model=dict(
                        decode_head=dict(
                            _keep_=[
                                'num_classes',
                                'out_channels',
                                'threshold',
                                'loss_decode',
                                'ignore_index',
                                'align_corners',
                                'sampler',
                                'norm_cfg',
                                'act_cfg',
                                'dropout_ratio',
                            ],
                            type='UNetHead',
                            in_channels=dict(_probe_='channels'),
                            in_strides=dict(_probe_='strides'),
                            in_index=dict(_probe_='levels'),
                            **gates,
                        )
                    )
                )
                for gates in (dict(), dict(attention_gates=True))
            ),
        ]
    ),
    custom_hooks=dict(_insert_=[dict(type='EnsembleHook')]),
)
