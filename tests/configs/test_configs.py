"""Everything under configs/ loads, fits together, and is what the README says it is."""
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from benchmarks.compose import RUNNER_KEYS, compose, load_config, strip_helpers
from benchmarks.designs import lay_out
from benchmarks.grid import read_grid
from benchmarks.legality import import_modules
from benchmarks.protocol import apply_protocol, pair_training_data
from benchmarks.record import stack_name
from benchmarks.technique import load_techniques, read_technique

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
GRIDS = sorted((CONFIGS / 'grids').glob('*.py'))
BASELINES = sorted((CONFIGS / 'baselines').glob('*.py'))
TECHNIQUES = sorted((CONFIGS / 'techniques').glob('*.py'))
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')


def stem(path):
    return path.stem


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_a_baseline_is_a_whole_mmengine_config(path):
    config = strip_helpers(load_config(path))
    for key in ('model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg', 'default_hooks'):
        assert config.get(key), key
    assert config['default_scope'] == 'mmseg'
    splits = [config[f'{name}_dataloader']['dataset'] for name in ('train', 'val', 'test')]
    assert splits[0] != splits[1] != splits[2] != splits[0]
    assert config['param_scheduler'][-1]['end'] == config['train_cfg']['max_iters']
    assert 1e-4 <= config['optim_wrapper']['optimizer']['lr'] <= 5e-3


@pytest.mark.parametrize('path', BASELINES, ids=stem)
def test_a_baselines_model_builds_with_the_size_that_its_name_says(path):
    config = load_config(path)
    with DefaultScope.overwrite_default_scope('mmseg'), torch.device('meta'):  # without filling 29 million weights
        model = MODELS.build(config['model'])
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert (0.2 < millions < 0.5) if 'small' in path.stem else (25 < millions < 35)
    assert config['model']['decode_head']['num_classes'] == len(config.get('metainfo', dict(classes='abc'))['classes'])


@pytest.mark.parametrize('path', TECHNIQUES, ids=stem)
def test_a_technique_says_what_it_is_and_its_modules_import(path):
    technique = read_technique(path)
    assert technique.title and technique.paper
    assert technique.description.endswith('.') and '\n' not in technique.description
    assert technique.imports and all(module.startswith('plugins.') for module in technique.imports)
    import_modules({technique.name: technique}, {})


@pytest.mark.parametrize('path', GRIDS, ids=stem)
def test_every_stack_of_a_grid_composes_on_its_baseline(path):
    grid = read_grid(path)
    layout = lay_out(grid.designs)
    techniques = load_techniques(CONFIGS / 'techniques', sorted({name for stack in layout.stacks for name in stack}))
    base, notes = apply_protocol(strip_helpers(load_config(grid.baseline)), PROTOCOL, 'cpu')
    configs = [pair_training_data(compose(base, stack, techniques), PROTOCOL) for stack in layout.stacks]
    assert all(one != other for n, one in enumerate(configs) for other in configs[n + 1:])
    assert all(config.keys() <= RUNNER_KEYS | {'inference', 'custom_imports'} for config in configs)
    assert all(config['train_dataloader']['dataset']['type'] == 'PairedDataset' for config in configs)
    assert set(grid.published_dice) <= {stack_name(stack) for stack in layout.stacks}
    assert grid.seeds == 3 and notes == []


def test_the_quickstart_is_the_improvement_table():
    layout = lay_out(read_grid(CONFIGS / 'grids' / 'quickstart.py').designs)
    assert [len(stack) for stack in layout.stacks] == [0, 1, 2, 3, 4, 5]
    published = read_grid(CONFIGS / 'grids' / 'quickstart.py').published_dice
    assert [published[stack_name(stack)] for stack in layout.stacks] == [85, 87, 88.5, 90, 91.5, 92]


@pytest.mark.parametrize('path', sorted((CONFIGS / '_base_').glob('*/*.py')), ids=stem)
def test_a_base_config_stands_alone(path):
    assert load_config(path)
