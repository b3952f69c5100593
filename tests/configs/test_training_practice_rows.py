"""Rows of training practice on the baselines: what they resolve to, and the learning rates that come of it."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.marks import clash
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.technique import load_techniques

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    'mixed_precision_training',
    'mixed_precision_inference',
    'gradient_checkpointing',
    'compile_training',
    'compile_inference',
    'folded_inference',
    'gradient_clipping',
    'warm_up',
    'weight_ema',
    'photometric',
    'elastic',
    'cut_out',
    'cut_mix',
    'heavy_augmentation',
    'persistent_loading',
    'decoded_cache',
    'device_augmentation',
    'channels_last_training',
    'longer_schedule',
]
BASELINES = ['unet_small_icbm152', 'unet_icbm152', 'deeplabv3plus_small_icbm152', 'segformer_small_icbm152']
ROWS = load_techniques(ROOT / 'configs' / 'techniques', NAMES)


@pytest.fixture(scope='module')
def bases():
    return {name: strip_helpers(load_config(ROOT / 'configs' / 'baselines' / f'{name}.py')) for name in BASELINES}


def rates(config):
    """The learning rate of each step."""
    lr = config['optim_wrapper']['optimizer']['lr']
    wrapper = OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr))
    schedulers = [
        PARAM_SCHEDULERS.build(dict(row), default_args=dict(optimizer=wrapper)) for row in config['param_scheduler']
    ]
    found = []
    wrapper.step()  # torch warns of schedulers that step first
    for _ in range(config['train_cfg']['max_iters']):
        found.append(wrapper.param_groups[0]['lr'])
        for scheduler in schedulers:
            scheduler.step()
    return found


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('baseline', BASELINES)
def test_each_row_changes_each_baseline(bases, baseline, name):
    base = bases[baseline]
    config = compose(base, (name,), ROWS)
    assert config != base and config['model'] == base['model']
    if name not in ('heavy_augmentation', 'elastic', 'cut_out', 'photometric', 'decoded_cache'):
        assert config['train_dataloader']['dataset'] == base['train_dataloader']['dataset']


def test_no_two_rows_clash_but_the_two_that_move_where_the_schedule_begins():
    for n, one in enumerate(NAMES):
        for other in NAMES[n + 1 :]:
            expected = 'param_scheduler.begin' if {one, other} == {'warm_up', 'longer_schedule'} else None
            assert clash(ROWS[one].overlay, ROWS[other].overlay, (one, other)) == expected, (one, other)


def poly(base, steps, k):
    """mmengine's PolyLR over ``steps`` steps, which ends at its floor at the last one."""
    row, lr = base['param_scheduler'][0], base['optim_wrapper']['optimizer']['lr']
    return (lr - row['eta_min']) * (1 - k / (steps - 1)) ** row['power'] + row['eta_min']


@pytest.mark.parametrize('baseline, warm', [('unet_small_icbm152', 12), ('unet_icbm152', 1000)])
def test_warm_up_rises_to_the_base_rate_and_then_decays_to_the_end(bases, baseline, warm):
    base = bases[baseline]
    found = rates(compose(base, ('warm_up',), ROWS))
    lr, total = base['optim_wrapper']['optimizer']['lr'], base['train_cfg']['max_iters']
    assert found[:warm] == pytest.approx([lr * (0.01 + 0.99 * k / (warm - 1)) for k in range(warm)])
    assert found[warm - 1] == pytest.approx(lr, rel=1e-9)
    assert found[warm:] == pytest.approx([poly(base, total - warm, k) for k in range(total - warm)], rel=1e-4)
    assert found[-1] == pytest.approx(base['param_scheduler'][0]['eta_min'])


@pytest.mark.parametrize('baseline', BASELINES)
def test_a_longer_schedule_is_the_baselines_stretched_to_twice_the_steps(bases, baseline):
    base = bases[baseline]
    steps = 2 * base['train_cfg']['max_iters']
    assert rates(base) == pytest.approx([poly(base, steps // 2, k) for k in range(steps // 2)], rel=1e-4)
    found = rates(compose(base, ('longer_schedule',), ROWS))
    assert found == pytest.approx([poly(base, steps, k) for k in range(steps)], rel=1e-4)


def test_a_longer_schedule_stretches_a_warm_up_and_milestones(bases):
    base = dict(
        bases['unet_small_icbm152'],
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
            dict(type='PolyLR', begin=50, end=250, by_epoch=False),
            dict(type='MultiStepLR', milestones=[100, 200], by_epoch=False),
        ],
    )
    config = compose(base, ('longer_schedule',), ROWS)
    spans = [(row.get('begin'), row.get('end'), row.get('milestones')) for row in config['param_scheduler']]
    assert spans == [(0, 100, None), (100, 500, None), (None, None, [200, 400])]


def test_a_longer_schedule_stretches_cosines_and_leaves_what_has_no_end(bases):
    base = dict(
        bases['unet_small_icbm152'],
        param_scheduler=[
            dict(type='CosineAnnealingLR', T_max=250, by_epoch=False),
            dict(type='ConstantLR', factor=0.5, by_epoch=False),
        ],
    )
    config = compose(base, ('longer_schedule',), ROWS)
    assert config['param_scheduler'] == [
        dict(type='CosineAnnealingLR', T_max=500, by_epoch=False),
        base['param_scheduler'][1],
    ]


def test_only_what_acts_in_tests_spares_a_training():
    code = PluginCode([module for row in ROWS.values() for module in row.imports])
    hooks = {
        row['type']
        for technique in ROWS.values()
        for row in technique.overlay.get('custom_hooks', {}).get('_insert_', [])
    }
    assert {hook for hook in hooks if code.acts_in_test_only(hook)} == {
        'CompileInferenceHook',
        'FoldedInferenceHook',
        'MixedPrecisionInferenceHook',
    }


def test_augmentations_come_right_before_packing(bases):
    config = compose(bases['unet_small_icbm152'], ('heavy_augmentation',), ROWS)
    types = [row['type'] for row in config['train_dataloader']['dataset']['pipeline']]
    assert types[-4:] == ['ElasticDeformation', 'PhotoMetricDistortion', 'SquareCutOut', 'PackSegInputs']


def test_mixed_precision_and_clipping_share_the_wrapper(bases):
    config = compose(bases['unet_small_icbm152'], ('gradient_clipping', 'mixed_precision_training'), ROWS)
    wrapper = config['optim_wrapper']
    assert wrapper['type'] == 'MixedPrecisionOptimWrapper' and wrapper['clip_grad'] == dict(max_norm=0.5)
    assert wrapper['optimizer'] == bases['unet_small_icbm152']['optim_wrapper']['optimizer']
