"""Rows whose training is tuned: their trials, which of them share trainings, and what a diverged trial stops."""

import dataclasses
from functools import lru_cache
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import digest
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.plan.keys import as_computed
from benchmarks.plan.making import KeyContext
from benchmarks.plan.planner import make_plan
from benchmarks.plan.tuned_rows import with_tuned_rows
from benchmarks.run.outcome import cell_outcome, is_open
from benchmarks.run.state import State
from benchmarks.session.experiment import read_request
from benchmarks.session.settings import Settings
from benchmarks.session.tuning import variants_tried
from benchmarks.session.validation import trainings_of_trials
from benchmarks.stacks.network_trials import ALTERNATIVES, NETWORK, RANK
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.tuning import SEARCH
from benchmarks.store.store import Result

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
QUICKSTART = read_grid(CONFIGS / 'grids' / 'quickstart.py')
LR = 'optim_wrapper.optimizer.lr'
TRIALS, SEEDS = 3, 2
ROW, BASELINE = ('own[tuned]',), ('baseline[tuned]',)
OWN = """
title = 'own'
description = 'A learning rate of its own.'
overlay = dict(
    optim_wrapper=dict(optimizer=dict(lr=0.002)),
    inference=dict(refine=dict(small=dict(order=20, type='Components', min_size=16))),
)
imports = ['plugins.refine.components']
search = dict(space={space}, trials=4{more})
"""


def result(status, reason=None):
    return Result(Path(), status, reason, {}, {}, '')


RESULT = result('ok')
DIVERGED = result('diverged', 'the loss became inf')
code = lru_cache(PluginCode)


# --- rows


def compared(layout):
    def name(stack):
        return '+'.join(stack) or 'baseline'

    return [(one.design, name(one.stack), name(one.reference)) for one in layout.comparisons]


def test_a_row_whose_training_is_tuned_is_compared_with_the_tuned_baseline():
    layout = lay_out([dict(type='cumulative', techniques=['cbam', 'focal', 'crf'])])
    tuned = with_tuned_rows(layout, {'focal', 'crf'}, {'focal'})
    rows = ['+'.join(stack) for stack in tuned.stacks[4:]]
    assert rows == ['baseline[tuned]', 'cbam+focal[tuned]', 'cbam+focal[tuned]+crf[tuned]']
    assert compared(tuned)[len(layout.comparisons) :] == [
        ('tuning', 'baseline[tuned]', 'baseline'),
        ('tuning', 'cbam+focal[tuned]', 'cbam+focal'),
        ('tuning', 'cbam+focal[tuned]+crf[tuned]', 'cbam+focal+crf'),
        ('cumulative_tuned', 'cbam+focal[tuned]', 'cbam'),
        ('cumulative_tuned', 'cbam+focal[tuned]+crf[tuned]', 'cbam+focal[tuned]'),
        ('cumulative_vs_baseline_tuned', 'cbam+focal[tuned]', 'baseline[tuned]'),
        ('cumulative_vs_baseline_tuned', 'cbam+focal[tuned]+crf[tuned]', 'baseline[tuned]'),
    ]


def test_a_row_whose_network_is_as_it_was_is_compared_with_the_baseline_as_it_was():
    layout = lay_out([dict(type='each_alone', techniques=['cbam', 'focal', 'crf'])])
    found = compared(with_tuned_rows(layout, {'focal', 'crf'}, {'focal'}))
    assert [one for one in found if one[0] == 'each_alone_tuned'] == [
        ('each_alone_tuned', 'focal[tuned]', 'baseline[tuned]'),
        ('each_alone_tuned', 'crf[tuned]', 'baseline'),  # its network has the learning rate of the baseline's file
    ]  # and cbam, which had no trials, is not compared with what had some
    assert 'baseline[tuned]' not in str(compared(with_tuned_rows(layout, {'crf'})))


def test_under_a_condition_the_tuned_baseline_is_that_of_the_clean_images():
    layout = lay_out([dict(type='each_alone', techniques=['focal'], conditions=['noise_1'])])
    tuned = with_tuned_rows(layout, {'focal'}, {'focal'})
    assert tuned.clean_stack_of['baseline[tuned]', 'noise_1'] == BASELINE
    assert ('each_alone_tuned@noise_1', 'focal[tuned]+noise_1', 'baseline[tuned]+noise_1') in compared(tuned)


# --- stages


@pytest.fixture
def planned(tmp_path):
    """Plan a grid of one technique that searches its learning rate, from the grid's file to its stages."""

    def planned(designs=None, space="{'lr': [0.001, 0.004, 0.002]}", more='', seeds=SEEDS, tune=TRIALS, **grid):
        (tmp_path / 'techniques').mkdir(exist_ok=True)
        (tmp_path / 'techniques' / 'own.py').write_text(OWN.format(space=space, more=more))
        fields = dict(published_dice={}, tune_only=None, technique_folders=[str(tmp_path / 'techniques')])
        designs = designs or [dict(type='each_alone', techniques=['own'])]
        one = dataclasses.replace(QUICKSTART, designs=designs, seeds=seeds, tune=tune, **fields | grid)
        request = read_request(one, Settings(tmp_path, CONFIGS, 'cpu'))
        stacks, layout = request.stacks, request.stacks.layout
        modules = {name for config in stacks.paired.values() for name in config['custom_imports']['imports']}
        context = KeyContext(
            baseline=request.baseline.with_protocol,
            code=code(tuple(sorted(modules))),
            fingerprint=lambda dataset: digest([as_computed(dataset), dataset.get('data_prefix')]),
            names=lambda dataset: 'a, b',
            versions=dict(torch='2.13', mmseg='1.4'),
            device_type='cpu',
            hardware='a processor',
            label_dir=lambda key: f'/labels/{key}',
        )
        more_of = dict(clean_stack_of=layout.clean_stack_of, baseline_seeds=one.baseline_seeds)
        plan = make_plan(stacks.paired, layout.comparisons, range(seeds), context, **more_of)
        return plan, stacks

    return planned


def cell_of(plan, stack=ROW, seed=0):
    return next(cell for cell in plan.cells if (cell.stack, cell.seed) == (stack, seed))


def trials_of(plan, cell):
    """The trainings of a choice, and its predictions, in order."""
    search = plan.stages[cell.tuning].config[NETWORK]
    return search['trained'], search['predicted']


def test_a_choice_reads_predictions_of_validation_images_and_the_row_takes_a_trial(planned):
    plan, _ = planned()
    cell, plain = cell_of(plan), cell_of(plan, ('own',))
    trained, predicted = trials_of(plan, cell)
    assert [kind for kind, _ in cell.steps] == ['choose', 'take', 'predict', 'refine']
    assert plan.stages[cell.tuning].parents == tuple(('predict', key) for key in predicted)
    assert plan.stages[cell.train].parents == (('choose', cell.tuning), *(('train', key) for key in trained))
    assert trained[0] == plain.train and len(set(trained)) == TRIALS  # its own values: the training of the row itself
    rates = [plan.stages[key].config['optim_wrapper']['optimizer']['lr'] for key in trained]
    assert rates == [0.002, 0.001, 0.004]


def test_no_stage_of_a_choice_names_a_test_image(planned):
    plan, stacks = planned()
    tested = stacks.paired[()]['test_dataloader']['dataset']
    chosen_on = stacks.paired[ROW][SEARCH]['data']
    assert tested != chosen_on
    cell = cell_of(plan)
    for key in (cell.tuning, *trials_of(plan, cell)[1]):
        assert plan.stages[key].config['test_dataloader']['dataset'] == chosen_on


def test_each_technique_and_the_baseline_have_the_same_number_of_trials(planned):
    plan, stacks = planned()
    for stack in (ROW, BASELINE):
        for seed in range(SEEDS):
            assert len(trials_of(plan, cell_of(plan, stack, seed))[0]) == TRIALS
    rates = [values['baseline'].get(LR) for values in stacks.paired[BASELINE][SEARCH][NETWORK]['values']]
    own = stacks.paired[()]['optim_wrapper']['optimizer']['lr']
    assert rates[0] is None and all(own / 10 <= rate <= 10 * own for rate in rates[1:]) and stacks.trials == TRIALS
    # Both rows, TRIALS trainings for each seed; the first of each is that of a row without tuning.
    assert plan.count('train') == 2 * SEEDS * TRIALS
    assert len(trainings_of_trials(plan)) == 2 * SEEDS * (TRIALS - 1)


def test_the_baseline_may_search_other_values(planned):
    space = {LR: [0.005, 0.003], 'train_dataloader.batch_size': [2, 4]}
    _, stacks = planned(baseline_search=dict(space=space), tune=4)
    values = stacks.paired[BASELINE][SEARCH][NETWORK]['values']
    assert len(values) == 4 and all(one['baseline'].keys() == space.keys() for one in values[1:])
    names = {one.name.partition('[')[0] for one in variants_tried(stacks.unpaired.values(), stacks.techniques)}
    assert names == {'baseline', 'own'}  # each is checked before anything runs


@pytest.mark.parametrize(
    'search, message',
    [
        (
            dict(space={'optim_wrapper.optimiser.lr': [1, 2]}),
            "baseline_search: .* has no 'optim_wrapper.optimiser.lr'; did",
        ),
        (dict(space={LR: [1]}), r"baseline_search: space\['optim_wrapper.optimizer.lr'\] is \[1\]; give two values"),
        (dict(space={LR: [1, 2]}, per='run'), "baseline_search: per is 'run'"),
        (dict(space={'test_dataloader.batch_size': [1, 2]}), 'baseline_search: .* may not change test_dataloader'),
    ],
)
def test_a_search_of_the_baseline_that_is_none_is_refused(planned, search, message):
    with pytest.raises(BadInput, match=message):
        planned(baseline_search=search)


def test_techniques_that_are_not_named_are_not_tuned(planned):
    designs = [dict(type='each_alone', techniques=['own', 'small_components'])]
    plan, _ = planned(designs, tune_only=['small_components'])
    assert plan.count('choose') == 0 and not any(cell.stack == BASELINE for cell in plan.cells)
    with pytest.raises(
        BadInput, match="tune_only names 'smal_components', which is no technique.*did you mean 'small_c"
    ):
        planned(designs, tune_only=['smal_components'])
    with pytest.raises(BadInput, match="tune_only names 'cbam', whose file has no search"):
        planned([dict(type='each_alone', techniques=['own', 'cbam'])], tune_only=['cbam'])


def test_rows_that_differ_in_inference_alone_share_their_choice_and_their_network(planned):
    plan, _ = planned([dict(type='cumulative', techniques=['own', 'tta_flips'])])
    flipped = cell_of(plan, ('own[tuned]', 'tta_flips'))
    assert (flipped.tuning, flipped.train) == (cell_of(plan).tuning, cell_of(plan).train)
    assert plan.count('choose') == 2 * SEEDS  # with the baseline's


def test_values_of_refinements_alone_need_no_training(planned):
    plan, _ = planned(space="{'small.min_size': [8, 32]}")
    assert (
        plan.count('choose') == 0
        and plan.count('select') == SEEDS
        and not any(one.stack == BASELINE for one in plan.cells)
    )


def test_values_of_the_inference_are_tried_with_it_on_one_network(planned):
    plan, _ = planned(space="{'inference.views_per_batch': [1, 2]}", tune_only=['own'])
    trained, predicted = trials_of(plan, cell_of(plan))
    assert len(set(trained)) == 1 and len(set(predicted)) == len(predicted) > 1


def test_training_values_come_first_and_then_those_of_refinements(planned):
    plan, stacks = planned(space="{'lr': [0.001, 0.002, 0.004], 'small.min_size': [8, 16, 32]}")
    cell = cell_of(plan)
    assert [kind for kind, _ in cell.steps] == ['choose', 'take', 'predict', 'select', 'refine']
    select = plan.stages[cell.choice]
    ((_, validated), *network) = select.parents
    assert network == [('take', cell.train), ('choose', cell.tuning)] and plan.stages[validated].parents == tuple(
        network
    )
    assert [len(each) for each in select.config[SEARCH]['trials'].values()] == [TRIALS]
    assert len(trials_of(plan, cell)[0]) == TRIALS
    assert list(stacks.paired[ROW][SEARCH][NETWORK]['values'][1]['own']) == [LR]


def test_one_choice_for_all_seeds_trains_its_trials_once(planned):
    plan, _ = planned(more=", per='stack'", seeds=3, tune_only=['own'])
    choices = {cell_of(plan, seed=seed).tuning for seed in range(3)}
    kinds = [plan.stages[cell_of(plan, seed=seed).train].kind for seed in range(3)]
    assert len(choices) == 1 and kinds == ['take', 'train', 'train']
    later = plan.stages[cell_of(plan, seed=1).train]
    assert later.parents == (('choose', *choices),) and later.config['randomness']['seed'] == 1
    assert [list(each) for each in later.config[ALTERNATIVES]] == [[], ['optim_wrapper'], ['optim_wrapper']]
    more, _ = planned(more=", per='stack'", seeds=4, tune_only=['own'])
    assert cell_of(more, seed=1).train == later.key  # a further seed changes nothing


ROUNDS = dict(space="{'lr': [0.001, 0.004, 0.003, 0.005, 0.006, 0.002]}", tune=6, tune_only=['own'])


def test_rounds_train_fewer_trials_for_longer_and_the_row_takes_one_of_the_last(planned):
    plan, _ = planned(more=', steps=[0.1, 0.2, 1]', **ROUNDS)
    cell, plain = cell_of(plan), cell_of(plan, ('own',))
    last = plan.stages[cell.tuning]
    trained, predicted = trials_of(plan, cell)
    assert len(trained) == len(predicted) == 2 and trained[0] == plain.train  # the values of the file go on, at no cost
    *read, (kind, key) = last.parents
    assert read == [('predict', one) for one in predicted] and kind == 'choose'
    middle = plan.stages[key]
    first = plan.stages[middle.parents[-1][1]]
    assert [len(one.config[NETWORK]['trained']) for one in (first, middle, last)] == [6, 3, 2]
    assert [one.config[NETWORK]['goes_on'] for one in (first, middle, last)] == [3, 2, None]
    steps = [
        {plan.stages[key].config['train_cfg']['max_iters'] for key in one.config[NETWORK]['trained']}
        for one in (first, middle, last)
    ]
    assert steps == [{25}, {50}, {250}]
    # What is trained second best is known when the round before has been judged.
    ranked = plan.stages[trained[1]]
    assert ranked.parents == (('choose', key),) and ranked.config[RANK] == 1
    assert [one.get('optim_wrapper', {}).get('optimizer', {}).get('lr') for one in ranked.config[ALTERNATIVES]] == [
        None,
        *(0.001, 0.004, 0.003, 0.005, 0.006),
    ]
    assert plan.stages[predicted[1]].parents == (('train', trained[1]), ('choose', key))
    assert plan.stages[cell.train].parents == (('choose', last.key), *(('train', key) for key in trained))
    assert plan.count('train') == SEEDS * (6 + 3 + 2) + SEEDS * 6  # and the trials of the baseline


def test_rounds_that_end_before_the_schedule_does_train_the_row_with_the_chosen_values(planned):
    plan, _ = planned(more=', steps=[0.1, 0.2]', **ROUNDS)
    trained = plan.stages[cell_of(plan).train]
    assert trained.kind == 'train' and RANK not in trained.config and len(trained.config[ALTERNATIVES]) == 6
    assert trained.config['train_cfg']['max_iters'] == 250


def test_another_number_of_rounds_is_another_choice(planned):
    of = {
        steps: cell_of(planned(more=f', steps={steps}', **ROUNDS)[0]).tuning
        for steps in ('1', '[0.5, 1]', '[0.4, 1]', '[0.4, 0.5, 1]')
    }
    assert len(set(of.values())) == 4
    assert (
        cell_of(planned(more='', **ROUNDS)[0]).tuning
        == of['1']
        == cell_of(planned(more=', steps=[1]', **ROUNDS)[0]).tuning
    )


def test_rows_that_are_compared_with_the_tuned_baseline_ask_for_no_more_seeds_of_the_baseline(planned):
    """Two rows train anew and are compared with the baseline: it has 4 seeds times the root of 2."""
    designs = [dict(type='each_alone', techniques=['own', 'focal'])]
    plan, _ = planned(designs, seeds=4, tune_only=['own'], baseline_seeds='auto')
    assert {'+'.join(stack) or 'baseline': len(seeds) for stack, seeds in plan.seeds_of.items()} == {
        'baseline': 6,
        'own': 4,
        'focal': 4,
        'baseline[tuned]': 4,
        'own[tuned]': 4,
    }


def test_shorter_trials_are_trainings_of_their_own_with_a_shrunk_schedule(planned):
    plan, stacks = planned(more=', steps=0.25')
    cell, steps = cell_of(plan), stacks.paired[()]['train_cfg']['max_iters']
    trained, _ = trials_of(plan, cell)
    assert {plan.stages[key].config['train_cfg']['max_iters'] for key in trained} == {round(steps / 4)}
    final = plan.stages[cell.train]
    assert final.kind == 'train' and final.parents == (('choose', cell.tuning),)
    assert final.config['train_cfg']['max_iters'] == steps and cell_of(plan, ('own',)).train not in trained
    assert 'train_cfg' not in final.config[ALTERNATIVES][1]


def test_a_tuned_training_of_the_same_network_shares_its_profile(planned):
    plan, _ = planned()
    assert plan.profiles[BASELINE] == plan.profiles[()] and plan.profiles[ROW] == plan.profiles['own',]


def test_a_network_whose_values_change_its_cost_is_measured_with_those_that_were_chosen(planned, tmp_path):
    planned()
    (tmp_path / 'techniques' / 'wide.py').write_text(
        "title = 'wide'\ndescription = 'A wider head.'\noverlay = dict(model=dict(decode_head=dict(channels=10)))\n"
        "search = dict(space={'channels': [9, 10, 20]}, trials=3)\n"
    )
    plan, _ = planned([dict(type='each_alone', techniques=['wide'])])
    profile = plan.stages[plan.profiles['wide[tuned]',]]
    assert profile.key != plan.profiles['wide',]
    assert [kind for kind, _ in profile.alternatives[0]] == ['take', 'choose']


def test_a_change_of_a_trial_moves_the_keys_of_what_is_chosen(planned):
    before, _ = planned()
    after, _ = planned(space="{'lr': [0.001, 0.005, 0.002]}")
    for key_of in (lambda cell: cell.tuning, lambda cell: cell.train, lambda cell: cell.predict):
        assert key_of(cell_of(before)) != key_of(cell_of(after))
        assert key_of(cell_of(before, ())) == key_of(cell_of(after, ()))


# --- a trial that diverges


@pytest.fixture
def at_choice(planned):
    """A plan in which all trials of the row's first seed are done, its cell, and their keys."""
    plan, _ = planned()
    trained, predicted = trials_of(plan, cell_of(plan))
    return State(plan, {key: RESULT for key in (*trained, *predicted)}), cell_of(plan), trained, predicted


def test_a_trial_that_diverged_is_left_out_and_stops_no_row(at_choice):
    state, cell, trained, predicted = at_choice
    choose, take = state.plan.stages[cell.tuning], state.plan.stages[cell.train]
    del state.results[predicted[2]]
    state.results[trained[2]] = DIVERGED
    assert state.ready(choose) and not state.blocked(choose)
    assert state.read_by(choose)[1] == choose.parents[:2]
    assert not state.ready(take) and not state.blocked(take)  # the choice is not made yet
    state.results[choose.key] = RESULT
    assert state.ready(take) and state.read_by(take)[1] == take.parents[:3]
    assert is_open(cell, state.results)
    state.results |= {key: RESULT for _, key in cell.steps}
    assert cell_outcome(cell, state.results) == ('ok', None, None)


def test_a_choice_waits_for_each_trial(at_choice):
    state, cell, _, predicted = at_choice
    choose = state.plan.stages[cell.tuning]
    del state.results[predicted[1]]
    assert not state.ready(choose) and not state.blocked(choose)


def test_a_trial_that_failed_for_another_reason_stops_the_row_and_is_told(at_choice):
    state, cell, trained, predicted = at_choice
    del state.results[predicted[1]]
    state.results[trained[1]] = result('out_of_memory', 'too large')
    choose = state.plan.stages[cell.tuning]
    assert state.blocked(choose) and not state.ready(choose)
    assert cell_outcome(cell, state.results) == ('out_of_memory', 'too large', 'train')


def test_where_all_trials_diverged_nothing_is_taken_and_the_row_says_so(at_choice):
    state, cell, trained, predicted = at_choice
    choose, take = state.plan.stages[cell.tuning], state.plan.stages[cell.train]
    for key in predicted:
        del state.results[key]
    state.results |= dict.fromkeys(trained, DIVERGED)
    assert state.ready(choose) and state.read_by(choose)[1] == ()
    state.results[choose.key] = result('diverged', 'the training of each trial diverged')
    assert state.blocked(take) and not state.ready(take)
    assert take not in state.open() and not is_open(cell, state.results)
    assert cell_outcome(cell, state.results) == ('diverged', 'the training of each trial diverged', 'choose')


def test_counts_suffice_for_a_choice_so_that_maps_of_trials_may_be_dropped(at_choice):
    state, cell, _, predicted = at_choice
    for key in predicted:
        del state.results[key]
    assert not state.maps_needed() & set(predicted)


# --- points of a sweep that are compared on validation images


def sweep(**more):
    return [dict(type='sweep', technique='own', over=dict(lr=[0.001, 0.002, 0.004]), **more)]


def test_points_of_a_sweep_predict_the_validation_images_beside_the_test(planned):
    plan, stacks = planned(sweep(choose='validation'), tune=None)
    data = stacks.paired['own[lr=0.001]',][SEARCH]['data']
    cell = cell_of(plan, ('own[lr=0.001]',))
    (_, predicted), validated = cell.beside
    assert validated == cell.validated and [kind for kind, _ in cell.beside] == ['predict', 'refine']
    for _, key in cell.beside:
        assert plan.stages[key].config['test_dataloader']['dataset'] == data
    assert plan.stages[predicted].parents == (cell.weights,) and predicted != cell.predict
    assert cell_of(plan, ('own',)).validated and not cell_of(plan, ()).validated  # its own values are a point
    plain, _ = planned(sweep(), tune=None)
    assert plain.count('predict') == 4 * SEEDS and plan.count('predict') == 7 * SEEDS
    assert {cell.tested for cell in plain.cells} == {cell.tested for cell in plan.cells}  # no number of the test moves


def test_in_a_grid_with_tuned_rows_all_sweeps_are_compared_on_validation_images(planned):
    designs = [*sweep(), dict(type='each_alone', techniques=['small_components'])]
    plan, _ = planned(designs, tune_only=['small_components'])
    assert cell_of(plan, ('own[lr=0.001]',)).validated and not cell_of(plan, ('small_components',)).validated


def test_a_sweep_that_chooses_on_something_else_is_refused(planned):
    with pytest.raises(
        BadInput, match="the sweep of 'own' has choose='test'; give choose='validation', or leave it out"
    ):
        planned(sweep(choose='test'), tune=None)


def test_a_failed_prediction_of_the_validation_images_costs_a_point_no_result_of_the_test(planned):
    plan, _ = planned(sweep(choose='validation'), tune=None)
    cell = cell_of(plan, ('own[lr=0.001]',))
    results = {key: RESULT for _, key in cell.steps}
    results[cell.beside[0][1]] = result('failed', 'x')
    assert cell_outcome(cell, results) == ('ok', None, None)
