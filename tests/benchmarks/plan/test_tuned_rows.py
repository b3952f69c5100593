"""Tuned rows in a plan: which rows and comparisons come in addition, which stages choose, and what moves their keys."""

import copy
from functools import lru_cache
from pathlib import Path

import pytest

from benchmarks.analysis.families import primary_by_default
from benchmarks.files import digest
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import read_grid
from benchmarks.plan.keys import as_computed
from benchmarks.plan.plan import what_changed
from benchmarks.plan.planner import KeyContext, make_plan
from benchmarks.plan.tuned_rows import with_tuned_rows
from benchmarks.run.outcome import cell_outcome
from benchmarks.run.state import State
from benchmarks.stacks.compose import compose, load_config, strip_helpers
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.protocol import apply_protocol, pair_training_data
from benchmarks.stacks.technique import load_techniques
from benchmarks.stacks.tuning import SEARCH, search_config
from benchmarks.store.store import Result

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PROTOCOL = load_config(CONFIGS / '_base_' / 'protocol.py')
RAW = strip_helpers(load_config(read_grid(CONFIGS / 'grids' / 'quickstart.py').baseline))
BASELINE = apply_protocol(RAW, PROTOCOL, 'cpu')[0]
NAMES = ('tta_flips', 'small_components', 'morphology', 'noise_1')
TECHNIQUES = load_techniques(CONFIGS / 'techniques', NAMES)
PLAIN, TUNED = ('small_components',), ('small_components[tuned]',)
PLACE = ('data_prefix', 'ann_file')  # in the stand-in for a fingerprint they stand for the content
code = lru_cache(PluginCode)


def result(status, reason=None):
    return Result(Path(), status, reason, {}, {}, '')


RESULT = result('ok')


# --- rows


def names(stacks):
    return ['+'.join(stack) or 'baseline' for stack in stacks]


def compared(layout):
    return [(one.design, *names([one.stack, one.reference])) for one in layout.comparisons]


def test_tuned_rows_stand_behind_all_others_and_are_compared_as_these_are():
    layout = lay_out([dict(type='cumulative', techniques=['cbam', 'crf', 'tta_flips'])])
    tuned = with_tuned_rows(layout, {'crf'})
    assert tuned.stacks[:4] == layout.stacks and tuned.comparisons[: len(layout.comparisons)] == layout.comparisons
    assert names(tuned.stacks[4:]) == ['cbam+crf[tuned]', 'cbam+crf[tuned]+tta_flips']
    assert compared(tuned)[len(layout.comparisons) :] == [
        ('tuning', 'cbam+crf[tuned]', 'cbam+crf'),
        ('tuning', 'cbam+crf[tuned]+tta_flips', 'cbam+crf+tta_flips'),
        ('cumulative_tuned', 'cbam+crf[tuned]', 'cbam'),
        ('cumulative_tuned', 'cbam+crf[tuned]+tta_flips', 'cbam+crf[tuned]'),
        ('cumulative_vs_baseline_tuned', 'cbam+crf[tuned]', 'baseline'),
        ('cumulative_vs_baseline_tuned', 'cbam+crf[tuned]+tta_flips', 'baseline'),
    ]


def test_a_row_without_the_technique_is_compared_with_the_tuned_row_that_it_is_taken_out_of():
    layout = with_tuned_rows(lay_out([dict(type='leave_one_out', techniques=['cbam', 'crf'])]), {'crf'})
    assert ('leave_one_out_tuned', 'cbam', 'cbam+crf[tuned]') in compared(layout)


def test_under_a_condition_a_tuned_row_is_that_of_the_clean_images():
    layout = lay_out([dict(type='each_alone', techniques=['crf'], conditions=['noise_1'])])
    tuned = with_tuned_rows(layout, {'crf'})
    assert tuned.clean_stack_of['crf[tuned]', 'noise_1'] == ('crf[tuned]',)
    assert ('tuning@noise_1', 'crf[tuned]+noise_1', 'crf+noise_1') in compared(tuned)
    assert ('each_alone_tuned@noise_1', 'crf[tuned]+noise_1', 'noise_1') in compared(tuned)


def test_points_of_a_sweep_and_rows_that_test_the_grid_are_not_tuned():
    designs = [
        dict(type='sweep', technique='focal', over=dict(gamma=[1, 2]), on=['crf']),
        dict(type='aa'),
        dict(type='positive_control'),
    ]
    layout = lay_out(designs)
    assert names(with_tuned_rows(layout, {'crf', 'focal'}).stacks[len(layout.stacks) :]) == ['crf[tuned]']
    assert with_tuned_rows(layout, set()) == layout


def test_the_question_is_the_same_with_and_without_tuned_rows():
    for kind in ('cumulative', 'each_alone'):
        layout = lay_out([dict(type=kind, techniques=['cbam', 'crf'])])
        asked = [
            primary_by_default(dict(design=one[0], stack=one[1], reference=one[2]) for one in compared(each))
            for each in (layout, with_tuned_rows(layout, {'crf'}))
        ]
        assert asked[0] == asked[1]


# --- stages


def planned(stacks=(PLAIN, TUNED), trials=4, seeds=(0, 1), per='seed', clean=None, **validation):
    """A plan of stacks; tuned ones have their search."""
    configs, plain_of = {}, {stack: tuple(name.removesuffix('[tuned]') for name in stack) for stack in stacks}
    data = {**copy.deepcopy(RAW['val_dataloader']['dataset']), **validation}
    for stack, plain in plain_of.items():
        config = pair_training_data(compose(BASELINE, plain, TECHNIQUES), PROTOCOL)
        if plain != stack:
            of_files = [TECHNIQUES[name] for name in plain if f'{name}[tuned]' in stack]
            config[SEARCH] = {**search_config(of_files, trials, data), 'per': per}
        configs[stack] = config
    modules = {module for config in configs.values() for module in config['custom_imports']['imports']}
    context = KeyContext(
        baseline=BASELINE,
        code=code(tuple(sorted(modules))),
        fingerprint=lambda dataset: digest([as_computed(dataset), *(dataset.get(key) for key in PLACE)]),
        names=lambda dataset: 'a, b',
        versions=dict(torch='2.13', mmseg='1.4'),
        device_type='cpu',
        hardware='a processor',
        label_dir=lambda key: f'/labels/{key}',
    )
    return make_plan(configs, [], seeds, context, clean)


def cell_of(plan, stack=TUNED, seed=0):
    return next(cell for cell in plan.cells if (cell.stack, cell.seed) == (stack, seed))


@pytest.fixture(scope='module')
def plan():
    return planned()


def test_a_choice_reads_the_validation_maps_and_the_refinement_reads_the_choice(plan):
    cell = cell_of(plan)
    select, refine = plan.stages[cell.choice], plan.stages[cell.refine]
    (_, validated), weights = select.parents
    assert [kind for kind, _ in cell.steps] == ['train', 'predict', 'select', 'refine']
    assert plan.stages[validated].kind == 'predict' and validated != cell.predict and weights == cell.weights
    assert refine.parents == (('predict', cell.predict), cell.weights, ('select', cell.choice))
    kinds = ('train', 'predict', 'select', 'refine', 'profile')
    assert [plan.count(kind) for kind in kinds] == [2, 4, 2, 4, 2]


def test_a_tuned_row_shares_training_and_prediction_with_the_row_itself(plan):
    tuned, plain = cell_of(plan), cell_of(plan, PLAIN)
    assert (tuned.train, tuned.predict) == (plain.train, plain.predict)
    assert plain.choice is None and plain.refine != tuned.refine


def test_a_tuned_row_is_measured_with_the_values_of_the_first_seed_that_is_good(plan):
    profile = plan.stages[plan.profiles[TUNED]]
    steps = [(cell_of(plan, seed=seed).weights, ('select', cell_of(plan, seed=seed).choice)) for seed in (0, 1)]
    assert profile.alternatives == steps and [kind for kind, _ in steps[0]] == ['train', 'select']
    state = State(plan, {})
    assert not state.ready(profile) and not state.blocked(profile)
    for (_, train), (_, choice) in steps:
        state.results[train] = RESULT
        state.results[choice] = result('failed', 'no')
    assert state.blocked(profile) and not state.ready(profile)
    del state.results[steps[1][1][1]]
    assert not state.blocked(profile) and not state.ready(profile)
    state.results[steps[1][1][1]] = RESULT
    assert state.ready(profile) and state.read_by(profile)[1] == steps[1]


def test_another_choice_of_the_first_seed_is_measured_anew_and_a_further_seed_is_not(plan):
    key = plan.profiles[TUNED]
    assert planned(seeds=(0, 1, 2)).profiles[TUNED] == key
    assert planned(trials=5).profiles[TUNED] != key and planned(trials=5).profiles[PLAIN] == plan.profiles[PLAIN]


def test_the_choice_is_given_no_test_image(plan):
    for kind in ('predict', 'select'):
        stage = next(one for one in plan.stages.values() if one.kind == kind and 'validation' in one.label)
        loaded = repr(stage.config['test_dataloader'])
        assert 'img_dir/val' in loaded and 'img_dir/test' not in repr(stage.config)


def test_only_the_choice_knows_the_trials(plan):
    for key in cell_of(plan).steps:
        stage = plan.stages[key[1]]
        assert (SEARCH in stage.config) is (stage.kind == 'select')
    assert SEARCH not in cell_of(plan).config


@pytest.mark.parametrize(
    'change, moved',
    [
        (dict(trials=5), {'config search'}),
        (dict(ann_file='other.txt'), {'parent predict'}),
        (dict(metainfo=dict(background=1)), {'config background'}),  # it decides the score alone
        (dict(seeds=(1, 0)), set()),
    ],
)
def test_what_moves_the_key_of_a_choice(plan, change, moved):
    before, after = (one.stages[cell_of(one).choice].ingredients for one in (plan, planned(**change)))
    assert set(what_changed(before, after)) == moved
    refines = {one.stages[cell_of(one).refine].key for one in (plan, planned(**change))}
    assert len(refines) == 1 + bool(moved)


def test_the_choice_of_each_seed_reads_its_own_network_and_one_for_all_that_of_the_first():
    apart, together = planned(seeds=(0, 1, 2)), planned(seeds=(0, 1, 2), per='stack')
    assert (apart.count('select'), together.count('select')) == (3, 1)
    assert {cell.choice for cell in together.cells if cell.choice} == {cell_of(together).choice}
    assert together.stages[cell_of(together).choice].parents[1] == cell_of(together, seed=0).weights
    alone = planned(seeds=(0,), per='stack')
    assert cell_of(alone).choice == cell_of(together).choice  # a seed that is added changes no choice


def test_under_a_condition_the_choice_of_the_clean_row_holds():
    noisy = (*TUNED, 'noise_1')
    plan = planned((TUNED, noisy), clean={noisy: TUNED})
    assert cell_of(plan, noisy).choice == cell_of(plan).choice and plan.count('select') == 2
    assert cell_of(plan, noisy).refine != cell_of(plan).refine


def test_two_tuned_techniques_of_a_row_are_one_choice():
    both = ('morphology[tuned]', 'small_components[tuned]')
    plan = planned((both,), seeds=(0,))
    trials = plan.stages[cell_of(plan, both).choice].config[SEARCH]['trials']
    assert plan.count('select') == 1 and {name: len(each) for name, each in trials.items()} == dict(
        morphology=4, small_components=4
    )


def test_a_failed_prediction_of_validation_images_is_told_as_the_reason(plan):
    cell = cell_of(plan)
    ((kind, validated),) = cell.beside
    results = {key: RESULT for _, key in cell.steps[:2]}
    assert cell_outcome(cell, results) == ('failed', 'it was not run', 'select')
    results[validated] = result('out_of_memory', 'too large')
    assert cell_outcome(cell, results) == ('out_of_memory', 'too large', 'predict') and kind == 'predict'
