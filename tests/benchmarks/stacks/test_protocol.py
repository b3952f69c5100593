import copy
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol, pair_training_data, refuse_lost_hooks, with_seed
from benchmarks.stacks.technique import Technique

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')


@pytest.fixture
def base():
    return strip_helpers(load_config(CONFIGS / 'baselines' / 'unet_small_icbm152.py'))


def test_the_protocol_adds_its_hooks_and_switches_validation_off(base):
    base['custom_hooks'] = [dict(type='EMAHook')]
    base['work_dir'] = 'somewhere'
    config, notes = apply_protocol(base, PROTOCOL, 'cpu')
    assert [hook['type'] for hook in config['custom_hooks']] == ['PairedArmsHook', 'InferenceHook', 'EMAHook']
    assert config['val_dataloader'] is config['val_cfg'] is config['val_evaluator'] is None
    assert config['inference'] == dict(views=dict(identity=dict(type='IdentityView')), refine={})
    checkpoint = config['default_hooks']['checkpoint']
    assert checkpoint['interval'] == -1 and checkpoint['save_last'] and checkpoint['type'] == 'CheckpointHook'
    assert {'plugins.datasets.icbm152', 'plugins.hooks.inference'} <= set(config['custom_imports']['imports'])
    assert 'paired_dataset' not in config and 'work_dir' not in config and notes == []
    assert config['model'] == base['model'] and config['train_dataloader'] == base['train_dataloader']


def test_the_best_checkpoint_by_validation_is_given_up_and_said(base):
    base['default_hooks']['checkpoint']['save_best'] = 'mIoU'
    before = copy.deepcopy(base)
    config, notes = apply_protocol(base, PROTOCOL, 'cpu')
    assert 'save_best' not in config['default_hooks']['checkpoint']
    assert len(notes) == 1 and 'last checkpoint' in notes[0]
    assert base == before


def test_a_training_that_would_be_resumed_starts_anew_and_it_is_said(base):
    base['resume'] = True
    config, notes = apply_protocol(base, PROTOCOL, 'cpu')
    assert config['resume'] is False and len(notes) == 1 and 'starts every training anew' in notes[0]


@pytest.mark.parametrize('allowed', [True, False])
def test_imports_given_as_one_string_stay_one_module(base, allowed):
    base['custom_imports'] = dict(imports='mmengine.hooks', allow_failed_imports=allowed)
    config, notes = apply_protocol(base, PROTOCOL, 'cpu')
    expected = {'mmengine.hooks', *PROTOCOL['custom_imports']['imports']}
    assert set(config['custom_imports']['imports']) == expected and notes == []
    assert config['custom_imports']['allow_failed_imports'] is allowed


def test_a_module_that_may_be_absent_is_left_out_and_it_is_said(base):
    base['custom_imports'] = dict(imports='no_such_package.models', allow_failed_imports=True)
    config, notes = apply_protocol(base, PROTOCOL, 'cpu')
    assert config['custom_imports']['imports'] == sorted(PROTOCOL['custom_imports']['imports'])
    assert len(notes) == 1 and notes[0].startswith("no_such_package.models of the baseline's custom_imports")
    base['custom_imports']['allow_failed_imports'] = False
    config, notes = apply_protocol(base, PROTOCOL, 'cpu')
    assert 'no_such_package.models' in config['custom_imports']['imports'] and notes == []


def test_a_baseline_that_leaves_its_hooks_to_mmengine_gets_a_whole_checkpoint_hook(base):
    del base['default_hooks']
    config, _ = apply_protocol(base, PROTOCOL, 'cpu')
    assert config['default_hooks']['checkpoint']['type'] == 'CheckpointHook'


@pytest.mark.parametrize('device, expected, said', [('cpu', 'BN', 1), ('cuda', 'SyncBN', 0), ('cuda:1', 'SyncBN', 0)])
def test_synchronised_batch_norm_becomes_batch_norm_on_a_cpu(base, device, expected, said):
    base['model']['backbone']['norm_cfg'] = dict(type='SyncBN', requires_grad=True)
    base['model']['auxiliary_head'] = [dict(type='FCNHead', norm_cfg=dict(type='SyncBN'))]
    config, notes = apply_protocol(base, PROTOCOL, device)
    assert config['model']['backbone']['norm_cfg'] == dict(type=expected, requires_grad=True)
    assert config['model']['auxiliary_head'][0]['norm_cfg']['type'] == expected
    assert len(notes) == said


@pytest.mark.parametrize(
    'sampler, expected',
    [
        (dict(type='InfiniteSampler', shuffle=True), dict(type='PairedSampler', infinite=True, shuffle=True)),
        (dict(type='InfiniteSampler', shuffle=False), dict(type='PairedSampler', infinite=True, shuffle=False)),
        (dict(type='DefaultSampler'), dict(type='PairedSampler', infinite=False, shuffle=True)),
        (dict(type='HardExampleSampler', top=3), dict(type='HardExampleSampler', top=3)),
    ],
)
def test_training_data_are_wrapped_and_mmengines_samplers_replaced(base, sampler, expected):
    base['train_dataloader']['sampler'] = sampler
    before = copy.deepcopy(base)
    config = pair_training_data(base, PROTOCOL)
    assert config['train_dataloader']['sampler'] == expected
    wrapped = dict(type='PairedDataset', dataset=base['train_dataloader']['dataset'])
    assert config['train_dataloader']['dataset'] == wrapped
    assert config['test_dataloader'] == base['test_dataloader'] and base == before


def test_a_seed_joins_what_the_config_says_of_randomness():
    config = with_seed(dict(randomness=dict(deterministic=True), a=1), 7)
    assert config == dict(randomness=dict(deterministic=True, seed=7), a=1)
    assert with_seed({}, 0) == dict(randomness=dict(seed=0))


def test_a_technique_that_takes_the_protocols_hooks_away_is_refused():
    hooks = [dict(type='PairedArmsHook', num_threads=1), dict(type='InferenceHook')]
    techniques = {
        name: Technique(name, '', '', dict(custom_hooks=[dict(type='A')]) if name == 'own' else {})
        for name in ('own', 'other')
    }
    kept, lost = dict(custom_hooks=[*hooks, dict(type='A')]), dict(custom_hooks=[dict(type='A')])
    refuse_lost_hooks({(): kept, ('other',): kept}, techniques, PROTOCOL)
    with pytest.raises(BadInput) as refused:
        refuse_lost_hooks({('other', 'own'): lost, ('own',): lost}, techniques, PROTOCOL)
    (mistake,) = refused.value.args
    ensemble = {**kept, 'ensemble': dict(members=[kept, lost])}
    with pytest.raises(BadInput, match='lost'):
        refuse_lost_hooks({('own',): ensemble}, techniques, PROTOCOL)
    assert mistake.startswith("technique 'own' replaces custom_hooks, so that PairedArmsHook and InferenceHook")
    assert mistake.endswith('custom_hooks=dict(_insert_=[...])')
