"""A third of the steps, for any kind of schedule."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import compose
from benchmarks.stacks.shorter import THIRD_OF_STEPS, third_of_steps


def shortened(**config):
    return compose(config, (THIRD_OF_STEPS,), {THIRD_OF_STEPS: third_of_steps(config)})


def test_all_schedulers_shrink_with_the_training():
    config = shortened(
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=900, val_interval=90),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, begin=0, end=90),
            dict(type='CosineAnnealingLR', T_max=810, begin=90, end=900, eta_min=3),
            dict(type='MultiStepLR', milestones=[300, 600], gamma=0.1),
        ],
    )
    assert config['train_cfg'] == dict(type='IterBasedTrainLoop', max_iters=300, val_interval=90)
    assert config['param_scheduler'] == [
        dict(type='LinearLR', start_factor=0.1, begin=0, end=30),
        dict(type='CosineAnnealingLR', T_max=270, begin=30, end=300, eta_min=3),
        dict(type='MultiStepLR', milestones=[100, 200], gamma=0.1),
    ]


def test_epochs_and_a_single_scheduler_or_none():
    config = shortened(train_cfg=dict(by_epoch=True, max_epochs=10), param_scheduler=dict(type='StepLR', step_size=3))
    assert config['train_cfg']['max_epochs'] == 3 and config['param_scheduler'] == dict(type='StepLR', step_size=1)
    assert shortened(train_cfg=dict(by_epoch=True, max_epochs=6)) == dict(
        train_cfg=dict(by_epoch=True, max_epochs=2), custom_imports=dict(imports=[], allow_failed_imports=False)
    )


@pytest.mark.parametrize('loop', [dict(max_epochs=1), dict(max_iters=2), {}, None])
def test_a_training_without_a_third_is_refused_with_the_cure(loop):
    with pytest.raises(BadInput, match=r"no third for the positive control; name a technique .*technique='...'"):
        third_of_steps(dict(train_cfg=loop))
