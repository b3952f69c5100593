"""Which panels a run keeps, and that nothing goes wrong with them ends it."""

import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks.plan.plan import Cell, Plan
from benchmarks.reports import choice, results
from benchmarks.run.child_process import ChildProcess
from benchmarks.session import panel_choice, panels
from benchmarks.session.panel_choice import MOST_PAIRS, asked, wanted_panels
from benchmarks.session.panels import Kept, keep_panels
from benchmarks.store.store import Store

GRID = dict(classes=['background', 'disc'], background=0, comparisons=[])


def cell(name, seed, fold=None):
    keys = [(kind, f'{kind} {name} {seed} {fold}') for kind in ('train', 'predict')]
    return Cell((name,) if name != 'baseline' else (), seed, dict(of=name), tuple(keys), fold)


def world(monkeypatch, tmp_path, tp_of, folds=(None,), seeds=(0, 1), failed=()):
    """Cells with four images each, spread over folds; ``tp_of`` gives the pixels that a stack finds of ten."""
    cells = [cell(name, seed, fold) for name in tp_of for seed in seeds for fold in folds]
    results = {
        key: SimpleNamespace(ok=key not in failed, folder=tmp_path / key, status='failed', reason='', facts={})
        for one in cells
        for _, key in one.steps
    }

    def rows(folder):
        _, name, _, fold = folder.name.split(' ')
        for number in range(4):
            if fold == 'None' or number % len(folds) == int(fold):
                for tp in (90, tp_of[name][number]):
                    yield dict(image=f'img{number}', tp=tp, fp=0, fn=10 - tp if tp <= 10 else 0)

    monkeypatch.setattr(panel_choice, 'read_facts', rows)
    return Plan(cells, {}, {}, []), results


def question(*pairs):
    return GRID | dict(questions=[dict(primary=[]), dict(primary=[list(pair) for pair in pairs])])


def chosen(panels):
    return [(one.facts['stack'], one.facts['seed'], one.facts['rule'], one.facts['image']) for one in panels]


def test_the_last_seed_of_a_primary_pair_by_the_rule(monkeypatch, tmp_path):
    plan, results = world(monkeypatch, tmp_path, dict(baseline=[5, 5, 5, 5], a=[5, 9, 6, 1], b=[5, 5, 5, 5]))
    panels = wanted_panels(plan, results, question(('a', 'baseline')))
    assert chosen(panels) == [
        ('a', 1, 'largest gain', 'img1'),
        ('a', 1, 'largest loss', 'img3'),
        ('a', 1, 'median', 'img0'),
    ]
    first = panels[0]
    assert first.stack.name == 'a__seed1' and first.reference.name == 'baseline__seed1'
    assert first.stack.parents == {kind: tmp_path / f'{kind} a 1 None' for kind in ('train', 'predict')}
    assert first.stack.areas == [(90, 0, 0), (9, 0, 1)] and first.facts['dice'] == round(1800 / 19, 4)


def test_a_tuned_row_is_shown_with_the_values_that_were_chosen(monkeypatch, tmp_path):
    """Those of its network (``choose``) and those of its refinements (``select``)."""
    plan, results = world(monkeypatch, tmp_path, dict(baseline=[5, 5, 5, 5], a=[5, 9, 6, 1]), seeds=(0,))
    *others, tuned = plan.cells
    choices = [(kind, f'{kind} a 0 None') for kind in ('choose', 'select')]
    tuned = replace(tuned, steps=(choices[0], *tuned.steps, choices[1]))
    results |= {key: SimpleNamespace(ok=True, folder=tmp_path / key) for _, key in choices}
    side = wanted_panels(replace(plan, cells=[*others, tuned]), results, question(('a', 'baseline')))[0].stack
    assert side.parents == {kind: tmp_path / f'{kind} a 0 None' for kind in ('train', 'predict', 'choose', 'select')}


def test_a_seed_that_one_side_has_not_finished_is_passed_over(monkeypatch, tmp_path):
    found = dict(baseline=[5, 5, 5, 5], a=[6, 6, 6, 6])
    plan, results = world(monkeypatch, tmp_path, found, failed={'predict a 1 None'})
    assert {seed for _, seed, *_ in chosen(wanted_panels(plan, results, question(('a', 'baseline'))))} == {0}
    both = {'predict a 1 None', 'train baseline 0 None'}
    plan, results = world(monkeypatch, tmp_path, found, failed=both)
    assert wanted_panels(plan, results, question(('a', 'baseline'))) == []


def test_an_image_is_shown_from_the_fold_that_tests_it(monkeypatch, tmp_path):
    plan, results = world(monkeypatch, tmp_path, dict(baseline=[5, 5, 5, 5], a=[5, 9, 6, 1]), folds=(0, 1))
    panels = wanted_panels(plan, results, question(('a', 'baseline')))
    assert [(one.facts['image'], one.stack.name, one.reference.name) for one in panels][:1] == [
        ('img1', 'a__seed1__fold1', 'baseline__seed1__fold1')
    ]


def test_a_large_grid_shows_a_handful_of_pairs(monkeypatch, tmp_path):
    names = [f'a{number}' for number in range(9)]
    plan, results = world(monkeypatch, tmp_path, dict(baseline=[5, 5, 5, 5], **dict.fromkeys(names, [5, 9, 6, 1])))
    panels = wanted_panels(plan, results, question(*((name, 'baseline') for name in names)))
    assert list(dict.fromkeys(one.facts['stack'] for one in panels)) == names[:MOST_PAIRS]


def test_the_row_that_the_answer_recommends_comes_first_where_no_primary_pair_shows_it(monkeypatch, tmp_path):
    found = dict(baseline=[5, 5, 5, 5], a=[5, 9, 6, 1], tuned=[5, 8, 6, 1])
    plan, results = world(monkeypatch, tmp_path, found)
    pairs = question(('a', 'baseline'))
    panels = wanted_panels(plan, results, pairs, 'tuned')
    assert list(dict.fromkeys(one.facts['stack'] for one in panels)) == ['tuned', 'a']
    assert {one.facts['stack'] for one in panels if one.facts.get('recommended')} == {'tuned'}
    assert {one.facts['reference'] for one in panels} == {'baseline'}
    for shown in ('a', None):
        assert wanted_panels(plan, results, pairs, shown) == panels[3:]


def test_without_a_question_all_comparisons_are_asked():
    comparisons = [dict(design='d', stack='a', reference='b'), dict(design='e', stack='b', reference='a')]
    assert asked(GRID | dict(comparisons=comparisons)) == [('a', 'b')]


@pytest.fixture
def no_records(monkeypatch):
    """The answer recommends no row."""
    monkeypatch.setattr('benchmarks.reports.results.read_results', lambda out: None)
    monkeypatch.setattr('benchmarks.reports.choice.recommended', lambda results: None)


@pytest.mark.parametrize('error', [RuntimeError('the process was\nended'), OSError(28, 'No space left on device')])
def test_nothing_that_goes_wrong_ends_the_run(monkeypatch, tmp_path, no_records, error):
    plan, results = world(monkeypatch, tmp_path, dict(baseline=[5, 5, 5, 5], a=[5, 9, 6, 1]))

    def fails(function):
        raise error

    kept = keep_panels(plan, results, question(('a', 'baseline')), Store(tmp_path / 'store'), fails, tmp_path)
    assert kept.complaint.startswith('the report has no panels of test images') and '\n' not in kept.complaint
    assert kept.may_help


def test_what_is_left_out_is_said(monkeypatch, tmp_path, no_records):
    plan, results = world(monkeypatch, tmp_path, dict(baseline=[5, 5, 5, 5], a=[5, 9, 6, 1]))
    grid = question(('a', 'baseline'))
    store = Store(tmp_path / 'store')
    assert keep_panels(plan, results, grid, store, lambda function: [], tmp_path) == Kept()
    kept = keep_panels(plan, results, grid, store, lambda function: ['x', 'y', 'z'], tmp_path)
    assert kept == Kept('the report lacks panels of test images: x, y and 1 more')


def test_panels_that_take_too_long_are_left_out_and_the_report_says_so(monkeypatch, tmp_path):
    """The limit holds for compiled code, too: the process ends."""
    monkeypatch.setattr(panels, 'LIMIT_S', 0.3)
    monkeypatch.setattr(panel_choice, 'wanted_panels', lambda *given: ['a panel'])
    monkeypatch.setattr(results, 'read_results', lambda out: None)
    monkeypatch.setattr(choice, 'recommended', lambda results: None)
    stand_in = SimpleNamespace(make_panels=lambda *given: time.sleep(60))
    monkeypatch.setitem(sys.modules, 'benchmarks.stages.panel_images', stand_in)

    def call(function):
        with ChildProcess(function) as child:
            return child.result()

    kept = keep_panels(None, {}, GRID, Store(tmp_path), call, tmp_path)
    assert kept.may_help and 'they took longer than 0.005 min' in kept.complaint
