"""Schedules, hooks and ramps that do not fit a training: by hand, and none in what mmseg ships."""

import re
from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from benchmarks.preflight.changes import with_changes
from benchmarks.preflight.learning_rate import learning_rates, length_of, schedules_of
from benchmarks.preflight.legality import Registries
from benchmarks.preflight.training_fit import training_misfit

MMSEG_SCHEDULES = sorted((Path(mmseg.__file__).parent / '.mim' / 'configs' / '_base_' / 'schedules').glob('*.py'))
WARM_UP = dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500)
DECAY = dict(type='PolyLR', power=1.0, begin=1500, end=160000, by_epoch=False)
SEGFORMERS = [WARM_UP, DECAY]
K_NETS = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', begin=1000, end=80000, milestones=[60000, 72000], by_epoch=False),
]


class TakesSteps(Hook):
    """A hook of a stranger, which declares its spans by the names of its arguments."""

    def __init__(self, begin=0, end=20, loud_ramp=0, switch_epoch=0, interval=1, by_epoch=False, **ignored):
        pass


@pytest.fixture(scope='module')
def registries():
    found = Registries()
    HOOKS.register_module(module=TakesSteps)
    yield found
    HOOKS.module_dict.pop('TakesSteps')


@pytest.fixture
def misfit(registries):
    def misfit(schedules, steps=None, epochs=None, per_epoch=10, lr=0.5, **more):
        loop = dict(max_iters=steps) if steps else dict(max_epochs=epochs)
        wrapper = dict(optimizer=dict(type='SGD', lr=lr))
        config = dict(train_cfg=loop, optim_wrapper=wrapper, param_scheduler=schedules, **more)
        found = training_misfit(config, per_epoch, registries, lambda hook: False)
        if found is not None and found.changes:  # the stretched schedule fits, whatever the case
            cured = with_changes(config, found.changes)
            assert training_misfit(cured, per_epoch, registries, lambda hook: False) is None
        return found

    return misfit


def test_the_learning_rate_is_that_of_the_real_schedules(registries):
    config = dict(param_scheduler=[dict(type='LinearLR', start_factor=0.1, begin=0, end=4, by_epoch=False)])
    length = length_of(dict(train_cfg=dict(max_iters=6)), per_epoch=3)
    assert learning_rates(schedules_of(config, length, registries), 2.0, length) == pytest.approx(
        [0.2, 0.8, 1.4, 2, 2, 2]
    )
    config = dict(param_scheduler=[dict(type='MultiStepLR', milestones=[1])])
    length = length_of(dict(train_cfg=dict(max_epochs=2)), per_epoch=3)
    assert learning_rates(schedules_of(config, length, registries), 1.0, length) == pytest.approx([1] * 3 + [0.1] * 3)


def test_ten_steps_of_a_schedule_for_160000(misfit):
    found = misfit(SEGFORMERS, 10)
    # The warm-up gives t/1499 of the learning rate at step t: 4.5/1499 on average.
    assert found.text == (
        'param_scheduler.0 (LinearLR) takes 1500 steps, and the training ends after 0.667 % of them; '
        'param_scheduler.1 (PolyLR) begins at step 1500, and the training has 10; '
        "the mean learning rate of the training is 0.3 % of the optimizer's 0.5"
    )
    # 1500 · 10/160000 rounds to 0, and a warm-up of one step would never leave its first value.
    assert found.changes == {'param_scheduler.0.end': 2, 'param_scheduler.1.begin': 2, 'param_scheduler.1.end': 10}


@pytest.mark.parametrize(
    'steps, factor, clause',
    [
        (80000, 0.5, 'takes 158500 steps, and the training ends after 49.5 % of them'),
        (320000, 2, 'ends at step 160000: the other 160000 steps train at 0 % of the highest learning rate'),
    ],
)
def test_a_decay_that_is_cut_or_ends_long_before_the_training_is_stretched(misfit, steps, factor, clause):
    found = misfit(SEGFORMERS, steps)
    assert clause in found.text and 'LinearLR' not in found.text
    assert found.changes == {
        'param_scheduler.0.end': 1500 * factor,
        'param_scheduler.1.begin': 1500 * factor,
        'param_scheduler.1.end': steps,
    }


@pytest.mark.parametrize('steps', [152500, 160000, 170000])
def test_a_span_that_nearly_fits_is_no_fault(misfit, steps):
    assert misfit(SEGFORMERS, steps) is None


def test_milestones_that_are_never_reached_count_from_the_begin_of_their_schedule(misfit):
    assert misfit(K_NETS, 80000) is None
    found = misfit(K_NETS, 72000)  # 1000 + 72000 lies beyond it
    assert 'param_scheduler.1 (MultiStepLR) never reaches its milestone 72000 in 72000 steps' in found.text
    assert found.changes['param_scheduler.1.milestones'] == [54000, 64800]
    assert misfit(dict(type='MultiStepLR', milestones=[6, 8], by_epoch=False), 5).changes == {
        'param_scheduler.milestones': [3, 4]
    }


def test_milestones_long_before_the_end_leave_no_learning_rate(misfit):
    found = misfit([dict(type='MultiStepLR', milestones=[10, 30], by_epoch=False)], 8000)
    # (10 + 20/10 + 7970/100) / 8000
    assert found.text == (
        'param_scheduler.0 (MultiStepLR) leaves hardly any learning rate; '
        "the mean learning rate of the training is 1.15 % of the optimizer's 0.5"
    )


def test_a_constant_hundredth_is_very_low(misfit):
    found = misfit([dict(type='LinearLR', start_factor=0.01, end_factor=0.01, by_epoch=False)], 100)
    assert 'leaves hardly any learning rate; the mean learning rate of the training is 1 % of' in found.text


def test_an_exponential_decay_that_is_too_fast_gets_a_slower_one(misfit):
    found = misfit([dict(type='ExponentialLR', gamma=0.9, by_epoch=False)], 250)
    assert found.changes == {'param_scheduler.0.gamma': pytest.approx(0.01 ** (1 / 250), abs=1e-6)}


@pytest.mark.parametrize(
    'schedule, steps, clause, changes',
    [
        (dict(type='CosineAnnealingLR', T_max=100), 50, 'takes 100 steps', dict(T_max=50)),
        (dict(type='CosineAnnealingLR', T_max=100), 250, 'at step 100 of 250 and rises again', dict(T_max=250)),
        (dict(type='StepLR', step_size=60), 30, 'acts every 60 steps', dict(step_size=10)),
        (
            dict(type='CosineRestartLR', periods=[100, 200], restart_weights=[1, 1], eta_min=0),
            30,
            'takes 300 steps',
            dict(periods=[10, 20]),
        ),
        (dict(type='LinearLR', start_factor=0.01, end=500), 100, 'takes 500 steps', dict(end=5)),
        (dict(type='PolyLR', end=10**9), 100, 'takes endless steps', dict()),
        (dict(type='PolyLRRatio', eta_min_ratio=0.1, end=500), 100, 'takes 500 steps', dict(end=100)),
        (dict(type='LinearMomentum', start_factor=0.1, end=500), 100, 'takes 500 steps', dict(end=5)),
    ],
)
def test_each_kind_of_schedule_is_stretched_by_its_own_arguments(misfit, schedule, steps, clause, changes):
    found = misfit([dict(by_epoch=False, **schedule)], steps)
    assert clause in found.text
    if changes:
        assert found.changes == {f'param_scheduler.0.{key}': value for key, value in changes.items()}


def test_a_one_cycle_schedule_that_mmengine_would_not_step_to_the_end_is_an_error(misfit):
    schedule = dict(type='OneCycleLR', eta_max=0.1, total_steps=100, by_epoch=False)
    assert misfit([schedule], 100) is None
    found = misfit([schedule], 300)
    assert 'Tried to step 102 times' in found.error
    assert found.changes == {'param_scheduler.0.total_steps': 300}


def test_a_schedule_without_an_end_that_begins_too_late_is_an_error(misfit):
    found = misfit([dict(type='PolyLR', begin=1500, by_epoch=False)], 10)
    assert 'end should be larger than begin' in found.error and found.changes == {'param_scheduler.0.begin': 2}


@pytest.mark.parametrize(
    'schedule, message',
    [
        (dict(type='PolyLR', powr=0.9), "TypeError: .*'powr'"),
        (dict(type='MultiStepLR'), "TypeError: .*'milestones'"),
        (dict(type='StepLR'), "TypeError: .*'step_size'"),
        (dict(type='CosineRestartLR', eta_min=0), "TypeError: .*'periods'"),
        (dict(type='LinearLR', start_factor=2), 'ValueError: Starting multiplicative factor'),
        (dict(type='PolyLR', begin='0'), 'TypeError: '),
        (dict(type='PolyLR', power='1'), 'TypeError: '),
    ],
)
def test_arguments_that_mmengine_refuses_are_an_error(misfit, schedule, message):
    assert re.match(message, misfit([dict(by_epoch=False, **schedule)], 10).error)


def test_epochs_in_a_loop_of_steps_never_pass(misfit):
    found = misfit([dict(type='PolyLR', end=100)], 250)
    assert 'param_scheduler.0 (PolyLR) counts epochs (by_epoch=True is the default)' in found.text
    assert "100 % of the optimizer's" in found.text
    assert found.changes == {'param_scheduler.0.by_epoch': False, 'param_scheduler.0.end': 250}
    assert misfit([dict(type='PolyLR', end=25, convert_to_iter_based=True)], 250) is None  # 25 epochs of 10 steps
    assert misfit([dict(type='PolyLR', end=100, convert_to_iter_based=True)], 250).changes == {
        'param_scheduler.0.end': 25
    }


def test_epochs_and_steps_in_a_loop_of_epochs(misfit):
    both = [
        dict(type='LinearLR', start_factor=0.1, begin=0, end=15, by_epoch=False),
        dict(type='PolyLR', begin=0, end=30),
    ]
    assert misfit(both, epochs=30) is None
    found = misfit(both, epochs=3)
    assert 'takes 30 epochs' in found.text and found.changes == {'param_scheduler.1.end': 3}
    assert 'takes 15 steps' in misfit(both, epochs=1).text


def test_a_warm_up_of_one_step_keeps_its_first_value(misfit):
    one = [
        dict(type='LinearLR', start_factor=0.01, begin=0, end=1, by_epoch=False),
        dict(type='PolyLR', begin=1, end=10, by_epoch=False),
    ]
    found = misfit(one, 10)
    assert 'lasts one step, so the learning rate keeps its first value' in found.text
    assert found.changes == {'param_scheduler.0.end': 2, 'param_scheduler.1.begin': 2}


def test_a_single_step_leaves_room_for_no_schedule(misfit):
    assert misfit(SEGFORMERS, 1).changes == {'param_scheduler': None}


def test_a_schedule_that_waits_for_a_validation_score_never_acts(misfit):
    found = misfit([dict(type='ReduceOnPlateauLR', monitor='mIoU', rule='greater')], 10)
    assert 'waits for a validation score' in found.text and not found.changes


@pytest.mark.parametrize('schedules', [None, [], dict(type='ConstantLR', factor=1, begin=0, end=10**6)])
def test_no_schedule_and_one_that_changes_nothing_fit_any_training(misfit, schedules):
    assert misfit(schedules, 7) is None


def test_schedules_of_several_optimizers_are_looked_at_too(registries):
    config = dict(
        train_cfg=dict(max_iters=10),
        param_scheduler=dict(body=[DECAY], head=dict(type='MultiStepLR', milestones=[6], by_epoch=False)),
        optim_wrapper=dict(constructor='MyConstructor'),
    )
    text = training_misfit(config, 1, registries, lambda hook: False).text
    assert text == 'param_scheduler.body.0 (PolyLR) begins at step 1500, and the training has 10'


def _hook(**arguments):
    return dict(custom_hooks=[dict(type='TakesSteps', **arguments)])


@pytest.mark.parametrize(
    'arguments, clause, cure',
    [
        (dict(begin=30), 'custom_hooks.0.begin (TakesSteps) comes at step 30, and the training has 30', 15),
        (dict(end=31), 'custom_hooks.0.end (TakesSteps) is complete after 31 steps, and the training has 30', 30),
        (dict(loud_ramp=90), 'custom_hooks.0.loud_ramp (TakesSteps) is complete after 90 steps', 30),
        (dict(interval=31), 'custom_hooks.0.interval (TakesSteps) is due every 31 steps', 15),
        (dict(begin_iter=40), 'custom_hooks.0.begin_iter (TakesSteps) comes at step 40', 15),
        (dict(warm_up_steps=40), 'custom_hooks.0.warm_up_steps (TakesSteps) is complete after 40 steps', 30),
        (dict(switch_epoch=3), 'comes at epoch 3, and the training has 1, as a loop of steps counts', None),
    ],
)
def test_arguments_of_hooks_declare_spans_by_their_names(misfit, arguments, clause, cure):
    found = misfit([], 30, **_hook(**arguments))
    assert clause in found.text
    assert list(found.changes.values()) == ([] if cure is None else [cure])


@pytest.mark.parametrize(
    'arguments', [dict(begin=29), dict(end=30), dict(end=10**9), dict(interval=30), dict(warm_up=99)]
)
def test_spans_that_fit_and_arguments_of_other_names_are_no_fault(misfit, arguments):
    assert misfit([], 30, **_hook(**arguments)) is None


def test_the_default_of_an_argument_counts_too(misfit):
    text = misfit([], 10, **_hook()).text
    assert text == 'custom_hooks.0.end (TakesSteps, its default) is complete after 20 steps, and the training has 10'


def test_a_hook_is_stretched_with_the_schedules(misfit):
    found = misfit(SEGFORMERS, 16, custom_hooks=[dict(type='EMAHook', begin_iter=80000)])
    assert found.changes['custom_hooks.0.begin_iter'] == 8


def test_the_interval_of_logs_is_not_looked_at(misfit):
    assert misfit([], 10, default_hooks=dict(logger=dict(type='LoggerHook', interval=50))) is None


@pytest.mark.parametrize('path', MMSEG_SCHEDULES, ids=lambda path: path.stem)
def test_mmsegs_own_schedules_fit_their_own_length(registries, path):
    config = Config.fromfile(path).to_dict()
    assert training_misfit(config, 186, registries, lambda hook: False) is None
    steps = config['train_cfg']['max_iters'] // 50
    shorter = {**config, 'train_cfg': {**config['train_cfg'], 'max_iters': steps}}
    assert training_misfit(shorter, 186, registries, lambda hook: False) is not None
