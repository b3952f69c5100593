"""Warnings of schedules for a whole grid: nothing that ships, and options that can be pasted."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.preflight import training_fit
from benchmarks.session.experiment import read_request
from benchmarks.session.options import parse_options
from benchmarks.session.schedules import schedule_warnings
from benchmarks.session.settings import Settings
from benchmarks.stacks.shorter import LENGTHS
from benchmarks.stacks.technique import load_techniques

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
BASELINE = f"""
_base_ = '{CONFIGS}/baselines/unet_small_icbm152.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', eta_min=0.0, power=1.0, begin=1500, end=160000, by_epoch=False),
]
train_cfg = dict(max_iters=160000)
custom_hooks = [dict(type='EMAHook', begin_iter=80000)]
"""
# They need the network's feature levels, which takes a while; their schedules are the baseline's.
PROBING = ('cbam_neck', 'self_attention', 'boundary_refinement', 'unet_decoder', 'deep_supervision', 'architectures')
TEN_STEPS = (
    'the schedule does not fit the training: '
    'param_scheduler.0 (LinearLR) takes 1500 steps, and the training ends after 0.667 % of them; '
    'param_scheduler.1 (PolyLR) begins at step 1500, and the training has 10; '
    'custom_hooks.2.begin_iter (EMAHook) comes at step 80000, and the training has 10; '
    "the mean learning rate of the training is 0.3 % of the optimizer's 0.003. To stretch it, add --cfg-options "
    'param_scheduler.0.end=2 param_scheduler.1.begin=2 param_scheduler.1.end=10 custom_hooks.0.begin_iter=5'
)


@pytest.fixture
def warned(tmp_path):
    """The warnings of a grid: its baseline's text or path, its techniques, the words of ``--cfg-options``."""

    def warned(baseline, techniques=(), options='', images=64):
        if '\n' in str(baseline):
            (tmp_path / 'base.py').write_text(baseline)
            baseline = 'base.py'
        (tmp_path / 'grid.py').write_text(
            f"title = 'x'\nbaseline = '{baseline}'\n"
            f"designs = [dict(type='each_alone', techniques={[*techniques] or ['tta_flips']})]\n"
        )
        given = parse_options(shlex.split(options))
        settings = Settings(tmp_path, CONFIGS, 'cpu', cfg_options=given)
        request = read_request(read_grid(tmp_path / 'grid.py'), settings)
        data = SimpleNamespace(of=lambda dataset: SimpleNamespace(split=SimpleNamespace(images=[None] * images)))
        return schedule_warnings(request.stacks, request.baseline, data, settings.cache)

    return warned


def _offered(warning):
    return re.search(r'--cfg-options (.*?)(\. Set |$)', warning)[1]


def test_the_offered_options_can_be_pasted_beside_the_given_ones(warned):
    assert warned(BASELINE) == []
    (warning,) = warned(BASELINE, options='train_cfg.max_iters=10')
    assert warning == TEN_STEPS
    assert warned(BASELINE, options=f'train_cfg.max_iters=10 {_offered(warning)}') == []


def test_the_readme_shows_the_warning_as_it_is(warned):
    (warning,) = warned(BASELINE[: BASELINE.index('custom_hooks')], options='train_cfg.max_iters=10')
    readme = (CONFIGS / 'README.md').read_text()
    shown = re.search(r'```\n(warning: the schedule .*?)```', readme, re.DOTALL)[1]
    assert ' '.join(shown.split()) == f'warning: {warning}'


@pytest.mark.parametrize(
    'schedule, steps',
    [
        ("dict(type='MultiStepLR', milestones=[200, 240], by_epoch=False)", 40),
        ("dict(type='MultiStepLR', milestones=[200], by_epoch=False)", 40),
        ("dict(type='PolyLR', end=20)", 250),
        ("dict(type='ExponentialLR', gamma=0.5, by_epoch=False)", 250),
        ("dict(type='CosineAnnealingLR', T_max=20, by_epoch=False)", 250),
    ],
)
def test_lists_booleans_and_fractions_can_be_pasted_too(warned, schedule, steps):
    baseline = f"_base_ = '{CONFIGS}/baselines/unet_small_icbm152.py'\nparam_scheduler = [{schedule}]\n"
    baseline += f'train_cfg = dict(max_iters={steps})\n'
    (warning,) = warned(baseline)
    assert warned(baseline, options=_offered(warning)) == []


def test_a_stack_is_named_for_what_its_technique_does_and_the_baseline_once_for_all(warned):
    techniques = ['warm_up', 'longer_schedule', 'weight_ema', 'ensemble_seeds', 'pseudo_labels']
    shared, own = warned(f'{CONFIGS}/baselines/unet_small_icbm152.py', techniques, 'train_cfg.max_iters=10')
    assert shared.startswith('the schedule does not fit the training: param_scheduler.0 (PolyLR) takes 250 steps')
    assert _offered(shared) == 'param_scheduler.0.end=10'
    # 5 % of ten steps is one step.
    assert own.startswith("the schedule of 'warm_up' does not fit the training: param_scheduler.1 (LinearLR) lasts one")
    assert own.endswith('. Set in a technique: param_scheduler.0.begin=2, param_scheduler.1.end=2')
    assert (
        warned(
            f'{CONFIGS}/baselines/unet_small_icbm152.py',
            [name for name in techniques if name != 'warm_up'],
            'train_cfg.max_iters=10 param_scheduler.0.end=10',
        )
        == []
    )


def test_a_stretched_baseline_is_enough_for_a_technique_that_takes_its_length(warned):
    (warning,) = warned(
        f'{CONFIGS}/baselines/unet_small_icbm152.py', ['warm_up', 'longer_schedule'], 'train_cfg.max_iters=2000'
    )
    assert 'ends at step 250: the other 1750 steps train at 0.333 % of the highest learning rate' in warning
    assert _offered(warning) == 'param_scheduler.0.end=2000'


def test_a_training_that_mmengine_would_end_is_refused_with_the_cure(warned):
    baseline = BASELINE.replace('end=160000, ', '')
    with pytest.raises(BadInput, match='end should be larger than begin') as refused:
        warned(baseline, options='train_cfg.max_iters=1000')
    assert warned(baseline, options=f'train_cfg.max_iters=1000 {_offered(str(refused.value))}') == []


def test_epochs_are_as_long_as_the_data_say(warned):
    baseline = f"""
_base_ = '{CONFIGS}/baselines/unet_small_icbm152.py'
param_scheduler = [dict(type='PolyLR', end=10, convert_to_iter_based=True)]
train_cfg = dict(max_iters=80)
"""
    assert warned(baseline, images=64) == []  # 8 steps of 8 images
    assert 'takes 10 epochs, and the training ends after 50 % of them' in warned(baseline, images=128)[0]


def test_the_check_is_remembered(warned, monkeypatch):
    first = warned(BASELINE, options='train_cfg.max_iters=10')
    monkeypatch.setattr(training_fit, 'training_misfit', lambda *_: pytest.fail('it was checked again'))
    assert warned(BASELINE, options='train_cfg.max_iters=10') == first == [TEN_STEPS]


@pytest.mark.parametrize('path', sorted((CONFIGS / 'baselines').glob('*.py')), ids=lambda path: path.stem)
def test_no_baseline_that_ships_is_warned_of(warned, path):
    assert warned(path, ['warm_up', 'longer_schedule', 'weight_ema', 'focal_dice_boundary_ramp']) == []


def test_no_technique_that_ships_is_warned_of(warned):
    names = [path.stem for path in sorted((CONFIGS / 'techniques').glob('*.py'))]
    names = [name for name in names if not any(part in name for part in PROBING)]
    assert warned(f'{CONFIGS}/baselines/unet_small_icbm152.py', names) == []


def test_a_longer_schedule_stretches_the_same_arguments():
    technique = load_techniques(CONFIGS / 'techniques', ['longer_schedule'])['longer_schedule']
    assert technique.overlay['param_scheduler']['_each_'].keys() == {*LENGTHS}
