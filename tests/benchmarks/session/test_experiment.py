"""A check that takes seconds runs beside planning: the order of its findings, and what is remembered."""

from types import SimpleNamespace

import pytest

from benchmarks.errors import BadInput
from benchmarks.session import experiment
from benchmarks.session.experiment import Experiment, make_experiment
from benchmarks.session.legality import Sizes
from benchmarks.session.own_control import DECLINED, OwnControl


@pytest.fixture
def steps(monkeypatch):
    """Replaces all steps; gives the list of those that ran in this process, and lets a test change them."""
    ran = []

    def step(name, result):
        def run(*_, **__):
            ran.append(name)
            return result

        monkeypatch.setattr(experiment, name, run)

    step('remembered_sizes', None)
    step('remember_sizes', None)
    step('check_stacks', Sizes({'model': 7}))
    step('list_data', 'the data')
    step('schedule_warnings', ['too short'])
    step('check_test_samples', None)
    step('check_students', None)
    step('plan_stages', 'the plan')
    step('listings_are_remembered', True)
    step('untried', [])
    step('try_all', None)
    step('find_lints', ['batch size'])
    return ran


REQUEST = SimpleNamespace(
    baseline=None, stacks=None, folds=(), settings=SimpleNamespace(cache=None, device='cpu', nodes=None)
)


def refuse(message):
    def step(*_, **__):
        raise BadInput(message)

    return step


def make(monkeypatch, here, steps):
    monkeypatch.setattr(experiment, '_checks_here', lambda: here)
    launcher = SimpleNamespace(warm_up=lambda: steps.append('warm_up'))
    return make_experiment(REQUEST, None, launcher)


def test_a_remembered_check_is_not_run_again(steps, monkeypatch):
    monkeypatch.setattr(experiment, 'remembered_sizes', lambda *_: Sizes({'model': 3}))
    made = make(monkeypatch, False, steps)
    assert steps == ['list_data', 'schedule_warnings', 'plan_stages', 'untried', 'find_lints']
    assert made.lints == ['batch size']
    assert (made.sizes.parameters, made.schedule_warnings) == ({'model': 3}, ['too short'])


def test_in_this_process_the_steps_follow_each_other(steps, monkeypatch):
    make(monkeypatch, True, steps)
    assert steps[1:] == [
        'warm_up',
        'check_stacks',
        'list_data',
        'schedule_warnings',
        'check_test_samples',
        'check_students',
        'remember_sizes',
        'plan_stages',
        'untried',
        'find_lints',
    ]


def test_in_another_process_the_check_leaves_nothing_here_but_its_result(steps, monkeypatch):
    made = make(monkeypatch, False, steps)
    assert steps[1:5] == ['warm_up', 'listings_are_remembered', 'list_data', 'plan_stages']
    assert steps[5:] == ['remember_sizes', 'untried', 'find_lints']
    assert (made.sizes.parameters, made.data, made.plan) == ({'model': 7}, 'the data', 'the plan')
    assert made.schedule_warnings == ['too short']


def test_data_that_are_not_listed_yet_are_listed_by_the_check_alone(steps, monkeypatch):
    monkeypatch.setattr(experiment, 'listings_are_remembered', lambda *_: False)
    make(monkeypatch, False, steps)
    assert 'list_data' not in steps and steps[-4:] == ['remember_sizes', 'plan_stages', 'untried', 'find_lints']


@pytest.mark.parametrize('here', [False, True])
def test_a_finding_of_the_check_comes_before_one_of_the_plan(steps, monkeypatch, here):
    monkeypatch.setattr(experiment, 'plan_stages', refuse('cannot be planned'))
    with pytest.raises(BadInput, match='cannot be planned'):
        make(monkeypatch, here, steps)
    assert 'remember_sizes' in steps  # it is legal all the same
    del steps[:]
    monkeypatch.setattr(experiment, 'check_stacks', refuse('is not legal'))
    with pytest.raises(BadInput, match='is not legal'):
        make(monkeypatch, here, steps)
    assert 'remember_sizes' not in steps


def test_a_schedule_that_does_not_fit_is_told_beside_a_trial_that_fails(steps, monkeypatch):
    monkeypatch.setattr(experiment, 'untried', lambda *_: ['a trial'])
    monkeypatch.setattr(experiment, 'try_all', refuse('cannot be trained on'))
    with pytest.raises(BadInput) as refused:
        make(monkeypatch, True, steps)
    assert refused.value.args == ('cannot be trained on', 'too short')


@pytest.mark.parametrize(
    'rows, control, seeds, said',
    [
        (3, OwnControl(), {}, []),
        (11, OwnControl(why_not=DECLINED), {}, ['none of the 11 rows is a known harm']),
        (
            2,
            OwnControl(),
            {(): [0, 1, 2], ('tta',): [0, 1, 2], ('loss',): [0]},
            ['3 seeds instead of 1: baseline, tta'],
        ),
        (
            2,
            OwnControl(),
            {('cbam',): [0, 1], (): [0, 1, 2], ('loss',): [0], ('tta',): [0, 1, 2]},
            ['3 seeds instead of 1: baseline, tta', '2 seeds instead of 1: cbam'],
        ),
    ],
)
def test_the_plan_notes_more_seeds_and_a_lack_of_a_control(rows, control, seeds, said):
    layout = SimpleNamespace(fractions=(), tuned_of={}, stacks=[()] * rows)
    nothing = SimpleNamespace(notes=[])
    stacks = SimpleNamespace(code=nothing, layout=layout)
    request = SimpleNamespace(baseline=nothing, stacks=stacks, seeds=[0], control=control)
    notes = Experiment(request, nothing, Sizes(), SimpleNamespace(seeds_of=seeds)).notes
    assert len(notes) == len(said) and all(map(str.startswith, notes, said))
