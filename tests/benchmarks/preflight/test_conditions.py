"""What a condition may touch, on the configs of the robustness grid and on spoilt ones."""

import copy
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.preflight.conditions import conditions_among, refuse_other_conditions
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.technique import load_techniques

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
FOGGY, PLAIN = ('a', 'fog'), ('a',)


def never(hook):
    return False


def configs_with(change):
    """The config of a stack, and the same under the condition 'fog', which ``change`` makes."""
    plain = dict(
        model=dict(type='Net', test_cfg=dict(mode='whole')),
        train_dataloader=dict(batch_size=8),
        custom_hooks=[],
        test_dataloader=dict(dataset=dict(pipeline=['load'])),
        inference=dict(views=dict(), refine=dict()),
        log_level='INFO',
    )
    foggy = copy.deepcopy(plain)
    change(foggy)
    return {PLAIN: plain, FOGGY: foggy}


def add_fog(config):
    config['test_dataloader']['dataset']['pipeline'].append('fog')


def test_other_test_images_are_what_a_condition_is_for():
    configs = configs_with(add_fog)
    refuse_other_conditions(configs, {FOGGY: PLAIN}, never)
    assert configs == configs_with(add_fog)  # they are compared, and left as they are


@pytest.mark.parametrize(
    'spoil, culprit',
    [
        (lambda config: config['model'].update(type='OtherNet'), 'changes model'),
        (lambda config: config['model'].update(test_cfg=dict(mode='slide')), 'changes model.test_cfg'),
        (lambda config: config['train_dataloader'].update(batch_size=4), 'changes train_dataloader'),
        (lambda config: config['inference']['views'].update(flip=1), 'changes inference.views'),
        (lambda config: config['inference']['refine'].update(crf=1), 'changes inference.refine'),
        (lambda config: config['custom_hooks'].append(dict(type='Hook')), 'changes custom_hooks'),
    ],
)
def test_anything_else_is_refused_even_beside_other_test_images(spoil, culprit):
    for changes in ([spoil], [add_fog, spoil]):
        configs = configs_with(lambda config: [change(config) for change in changes])
        with pytest.raises(BadInput, match=f"the condition 'fog' {culprit}"):
            refuse_other_conditions(configs, {FOGGY: PLAIN}, never)
        refuse_other_conditions(configs, {}, never)  # a technique may do so


@pytest.mark.parametrize(
    'ensemble', [dict(seeds=2), dict(members=[dict(model=dict(type='Net')), dict(model=dict(type='Other'))])]
)
def test_networks_that_a_condition_adds_are_seen(ensemble):
    configs = configs_with(lambda config: (add_fog(config), config.update(ensemble=ensemble)))
    with pytest.raises(BadInput, match="the condition 'fog' changes"):
        refuse_other_conditions(configs, {FOGGY: PLAIN}, never)
    for config in configs.values():
        config['ensemble'] = ensemble
    refuse_other_conditions(configs, {FOGGY: PLAIN}, never)


@pytest.mark.parametrize(
    'key, before, after',
    [
        ('teacher', dict(confidence=0.9), dict(confidence=0.5)),
        ('teacher', None, dict(confidence=0.9)),
        ('ensemble', dict(seeds=2), dict(seeds=3)),
    ],
)
def test_another_teacher_or_ensemble_is_seen(key, before, after):
    configs = configs_with(add_fog)
    for config in configs.values():
        config[key] = before
    configs[FOGGY][key] = after
    with pytest.raises(BadInput, match=f"the condition 'fog' changes {key}"):
        refuse_other_conditions(configs, {FOGGY: PLAIN}, never)
    configs[FOGGY][key] = before
    refuse_other_conditions(configs, {FOGGY: PLAIN}, never)


def test_members_in_place_of_seeds_are_seen_however_alike_they_are():
    configs = configs_with(add_fog)
    configs[PLAIN]['ensemble'] = dict(seeds=2)
    configs[FOGGY]['ensemble'] = dict(members=[copy.deepcopy(configs[FOGGY])] * 2)
    with pytest.raises(BadInput, match="the condition 'fog' changes ensemble"):
        refuse_other_conditions(configs, {FOGGY: PLAIN}, never)


def test_members_may_hold_the_condition_but_no_other_teacher():
    configs = configs_with(add_fog)
    for config in configs.values():
        config['ensemble'] = dict(members=[copy.deepcopy(config), dict(copy.deepcopy(config), teacher=dict(a=1))])
    refuse_other_conditions(configs, {FOGGY: PLAIN}, never)
    configs[FOGGY]['ensemble']['members'][1]['teacher'] = dict(a=2)
    with pytest.raises(BadInput, match="the condition 'fog' changes teacher"):
        refuse_other_conditions(configs, {FOGGY: PLAIN}, never)


def test_a_condition_without_effect_is_refused():
    with pytest.raises(BadInput, match="the condition 'fog' changes no test image"):
        refuse_other_conditions(configs_with(lambda config: config.update(log_level='ERROR')), {FOGGY: PLAIN}, never)


def test_the_robustness_grid_has_conditions_alone():
    grid = read_grid(CONFIGS / 'grids' / 'robustness_small.py')
    layout = lay_out(grid.designs)
    names = sorted({name for stack in layout.stacks for name in stack})
    techniques = load_techniques(CONFIGS / 'techniques', names, map(Path, grid.technique_folders))
    protocol = load_config(CONFIGS / '_base_' / 'protocol.py')
    base, _ = apply_protocol(strip_helpers(load_config(grid.baseline)), protocol, 'cpu')
    configs = {stack: pair_training_data(compose(base, stack, techniques), protocol) for stack in layout.stacks}
    assert len(layout.clean_stack_of) == 12 * 7 and len(layout.stacks) == 13 * 7
    refuse_other_conditions(configs, layout.clean_stack_of, never)
    kinds = [
        config['test_dataloader']['dataset']['pipeline'][1]
        for stack, config in configs.items()
        if layout.clean_stack_of.get(stack) == ()
    ]
    assert [(kind['type'], kind['strength']) for kind in kinds] == [('CorruptImage', n) for n in (1, 2, 3)] * 4
    assert len({kind['kind'] for kind in kinds}) == 4


def test_conditions_are_known_without_a_design_that_says_so():
    """A pair of stacks may compare the baseline with itself on foggy images."""
    assert conditions_among(configs_with(add_fog), never) == ['fog']
    assert conditions_among(configs_with(lambda config: config['model'].update(type='OtherNet')), never) == []
    assert conditions_among(configs_with(lambda config: None), never) == []
    both = configs_with(add_fog)
    both[('fog',)], both[()] = both[FOGGY], both[PLAIN] | dict(model=dict(type='OtherNet'))
    assert conditions_among(both, never) == []  # on another stack it changes more than the images
