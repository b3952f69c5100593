"""The trials of a search: the file's own values first, then the whole grid or distinct draws, always the same ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.stacks.technique import Technique, load_techniques, technique_files
from benchmarks.stacks.tuning import (
    SEARCH,
    on_validation,
    search_config,
    trial_variants,
    trials_of,
    tuned,
    with_values,
    without_search,
)

TECHNIQUES = Path(__file__).resolve().parents[3] / 'configs' / 'techniques'
SMALL = 'inference.refine.small'
PINNED = [(20, 0.489), (83, 0.111), (10, 0.156)]  # of every platform and Python


def technique(space, name='bright', per='seed', **own):
    refine = dict(small=dict(order=1, type='S', size=8, **own))
    search = dict(space=space, trials=5, per=per)
    return Technique(name, 'Bright', '', dict(inference=dict(refine=refine)), search=search)


def test_the_first_trial_has_the_values_of_the_file_and_all_others_fit_into_the_budget():
    one = technique({'size': [4, 8, 16], 'small.shape': ['disc', 'square']})
    trials = trials_of(one, 7)
    combinations = [(size, shape) for size in (4, 8, 16) for shape in ('disc', 'square')]
    assert trials[0] == {}
    assert [tuple(trial.values()) for trial in trials[1:]] == combinations
    assert list(trials[1]) == [f'{SMALL}.size', f'{SMALL}.shape']
    assert len(trials_of(one, 100)) == 7 and trials_of(one, 7) == trials_of(one, 100)


def test_the_own_values_are_no_further_trial():
    assert trials_of(technique({'size': [4, 8, 16]}), 3) == [{}, {f'{SMALL}.size': 4}, {f'{SMALL}.size': 16}]


@pytest.mark.parametrize('number', [2, 3, 6])
def test_more_combinations_than_trials_are_drawn_without_repeating_any(number):
    one = technique({'size': [4, 8, 16], 'small.shape': ['disc', 'square']}, shape='disc')
    trials = trials_of(one, number)
    assert len(trials) == number and len({repr(trial) for trial in trials}) == number
    assert {f'{SMALL}.size': 8, f'{SMALL}.shape': 'disc'} not in trials


def test_draws_are_those_of_every_run_and_a_larger_budget_begins_with_them():
    one = technique({'size': dict(low=1, high=100, log=True), 'small.share': dict(low=0.1, high=0.9)})
    drawn = [tuple(trial.values()) for trial in trials_of(one, 4)[1:]]
    assert drawn == PINNED
    assert trials_of(one, 9)[:4] == trials_of(one, 4)
    assert trials_of(replace(one, name='dark'), 4) != trials_of(one, 4)


def test_draws_stay_in_their_range_and_a_logarithm_draws_small_values_as_often():
    one = technique({'size': dict(low=1, high=10_000, log=True), 'small.share': dict(low=0.25, high=0.75)})
    trials = trials_of(one, 400)[1:]
    sizes, shares = ([trial[f'{SMALL}.{key}'] for trial in trials] for key in ('size', 'share'))
    assert all(type(size) is int and 1 <= size <= 10_000 for size in sizes) and 0.4 < _share(sizes, 100) < 0.6
    assert all(0.25 <= share <= 0.75 for share in shares) and 0.4 < _share(shares, 0.5) < 0.6


def _share(values, limit):
    return sum(value < limit for value in values) / len(values)


def test_all_whole_numbers_of_a_range_are_reached():
    sizes = {trial[f'{SMALL}.size'] for trial in trials_of(technique({'size': dict(low=1, high=3)}), 4)[1:]}
    assert sizes == {1, 2, 3}


def test_a_technique_without_a_search_has_no_trials():
    with pytest.raises(BadInput, match="technique 'bright' has no field 'search'"):
        trials_of(Technique('bright', '', '', {}), 4)


def test_the_trials_of_a_stack_stand_in_its_config():
    two = [technique({'size': [4, 8]}), technique({'size': [1, 2]}, name='dark')]
    search = search_config(two, 9, dict(type='D'))
    assert search['data'] == dict(type='D') and search['per'] == 'seed'
    assert {name: len(trials) for name, trials in search['trials'].items()} == dict(bright=2, dark=3)


@pytest.mark.parametrize('of_both, per', [('seed stack', 'seed'), ('stack stack', 'stack'), ('seed seed', 'seed')])
def test_one_choice_serves_all_seeds_where_all_techniques_say_so(of_both, per):
    two = [technique({'size': [4, 8]}, name=f'n{n}', per=one) for n, one in enumerate(of_both.split())]
    assert search_config(two, 3, {})['per'] == per


def test_values_take_their_place_in_a_config_and_nothing_else_changes():
    config = dict(inference=dict(views={}, refine=dict(small=dict(type='S', size=8))), model=1)
    changed = with_values(config, {f'{SMALL}.size': 4, f'{SMALL}.shape': 'disc'})
    assert changed == dict(inference=dict(views={}, refine=dict(small=dict(type='S', size=4, shape='disc'))), model=1)
    assert config['inference']['refine']['small']['size'] == 8 and with_values(config, {}) == config


def test_on_validation_no_test_image_is_named():
    config = dict(test_dataloader=dict(batch_size=1, dataset=dict(ann_file='test.txt')), model=1)
    config = {**config, SEARCH: dict(data=dict(ann_file='val.txt'))}
    assert on_validation(config)['test_dataloader'] == dict(batch_size=1, dataset=dict(ann_file='val.txt'))
    assert 'test.txt' not in repr(on_validation(config)) and without_search(config).keys() == {
        'test_dataloader',
        'model',
    }


def test_each_trial_is_a_technique_that_can_be_checked():
    found = {one.name: one.overlay for one in trial_variants(technique({'size': [4, 8, 16]}), 9)}
    assert list(found) == ['bright[size=4]', 'bright[size=16]']
    assert found['bright[size=4]']['inference']['refine']['small']['size'] == 4
    assert tuned(technique({'size': [4, 8]})).name == 'bright[tuned]'


def test_the_searches_that_ship_have_as_many_trials_as_they_ask_for():
    shipped = load_techniques(TECHNIQUES, technique_files(TECHNIQUES))
    searched = [one for one in shipped.values() if one.search]
    assert len(searched) >= 5
    for one in searched:
        trials = trials_of(one, one.search['trials'])
        assert len(trials) == one.search['trials'] == len({repr(trial) for trial in trials}), one.name
