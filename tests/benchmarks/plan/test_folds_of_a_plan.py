"""A plan with folds: a cell for each stack, seed and fold; keys by the data of the fold, and none by its number."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.files import digest
from benchmarks.plan.grid import read_grid
from benchmarks.plan.keys import as_computed
from benchmarks.plan.planner import KeyContext, make_plan
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.technique import load_techniques

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
FULL = ('tta_flips', 'crf_cleanup')
TECHNIQUES = load_techniques(CONFIGS / 'techniques', FULL)
BASELINE = apply_protocol(
    strip_helpers(load_config(read_grid(CONFIGS / 'grids' / 'quickstart.py').baseline)), PROTOCOL, 'cpu'
)[0]


def configs_of(fold):
    """Configs whose data sets have another content in every fold."""
    base = copy.deepcopy(BASELINE)
    for loader in ('train_dataloader', 'test_dataloader'):
        base[loader]['dataset']['ann_file'] = f'{loader}{fold}'
    return {stack: pair_training_data(compose(base, stack, TECHNIQUES), PROTOCOL) for stack in ((), FULL)}


def content(dataset):
    """A stand-in for the fingerprint: with the place of the table, which no other ingredient has."""
    inner = dataset.get('dataset', dataset)
    return digest([as_computed(dataset), inner.get('ann_file')])


@pytest.fixture(scope='module')
def context():
    modules = {module for config in configs_of(0).values() for module in config['custom_imports']['imports']}
    return KeyContext(
        baseline=BASELINE,
        code=PluginCode(tuple(sorted(modules))),
        fingerprint=content,
        names=lambda dataset: 'a, b',
        versions=dict(torch='2.13', mmseg='1.4'),
        device_type='cpu',
        hardware='a processor',
        label_dir=lambda key: f'/labels/{key}',
    )


@pytest.fixture(scope='module')
def plan(context):
    return make_plan(configs_of(0), [], (0, 1), context, more_folds=[configs_of(1), configs_of(2)])


def test_a_cell_for_each_stack_seed_and_fold(plan):
    assert [cell.name for cell in plan.cells[:6]] == [f'baseline__seed{s}__fold{f}' for s in (0, 1) for f in range(3)]
    assert len(plan.cells) == 12 and (plan.count('train'), plan.count('predict')) == (6, 12)
    assert plan.seeds_of == {(): [0, 1], FULL: [0, 1]}
    assert {stage.label for stage in plan.stages.values() if stage.kind == 'refine'} == {
        cell.name for cell in plan.cells if cell.stack == FULL
    }


def test_a_stack_has_one_profile_of_the_first_fold(plan):
    profiles = [stage for stage in plan.stages.values() if stage.kind == 'profile']
    assert len(profiles) == 2 and all(stage.fold is None for stage in profiles)
    of_first = {cell.weights for cell in plan.cells if cell.fold == 0}
    assert {step for stage in profiles for step in stage.parents} == of_first


def test_keys_know_a_folds_data_and_not_its_number(plan, context):
    alone = make_plan(configs_of(1), [], (0, 1), context)
    keys = {cell.name: cell.steps for cell in plan.cells}
    for cell in alone.cells:
        assert cell.fold is None and keys[f'{cell.name}__fold1'] == cell.steps


def test_without_folds_nothing_changes(context):
    cells = make_plan(configs_of(0), [], (0,), context).cells
    assert cells == [replace(cell, fold=None) for cell in cells]
    assert [cell.name for cell in cells][0] == 'baseline__seed0'
