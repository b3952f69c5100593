"""The question of a grid: which pairs are primary, and how later questions stand beside earlier ones."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.designs import lay_out
from benchmarks.plan.grid import Grid
from benchmarks.plan.question import asked, question_of
from benchmarks.plan.tuned_rows import with_tuned_rows

CUMULATIVE = dict(type='cumulative', techniques=['a', 'b'], conditions=['noise'])
EACH = dict(type='each_alone', techniques=['a', 'b'])


def primary(designs, primary=None):
    grid = Grid('g', 'G', 'b.py', designs, primary=primary)
    return question_of(grid, lay_out(designs))['primary']


def test_by_default_the_steps_of_cumulative_are_primary_or_all_pairs():
    assert primary([EACH, CUMULATIVE]) == [['a', 'baseline'], ['a+b', 'a']]
    assert primary([EACH]) == [['a', 'baseline'], ['b', 'baseline']]


def test_designs_and_pairs_can_be_primary_and_each_pair_is_so_once():
    assert primary([CUMULATIVE, EACH], ['each_alone', (['a', 'b'], [])]) == [
        ['a+b', 'baseline'],
        ['a', 'baseline'],
        ['b', 'baseline'],
    ]
    assert primary([CUMULATIVE], ['cumulative@noise']) == [['a+noise', 'noise'], ['a+b+noise', 'a+noise']]
    assert primary([CUMULATIVE], []) == []


def test_what_compares_nothing_is_refused_with_the_cure():
    with pytest.raises(BadInput) as refused:
        primary([CUMULATIVE], ['cumulatve', (['b'], [])])
    one, other = refused.value.args
    assert "the design 'cumulatve', which compares nothing" in one and "did you mean 'cumulative" in one
    assert "the pair 'b' and 'baseline'" in other and "dict(type='explicit', pairs=[(['b'], [])])" in other


@pytest.mark.parametrize('entry', ['tuning', 'tuning@noise', 'each_alone_tuned', (['a[tuned]'], ['a'])])
def test_what_is_there_with_tuned_rows_alone_names_the_flag(entry):
    with pytest.raises(
        BadInput, match="which is there with --tune alone; run with --tune, or take it out of 'primary'"
    ):
        primary([EACH], [entry])
    layout = with_tuned_rows(lay_out([EACH]), {'a'})
    if '@' not in entry:
        assert question_of(Grid('g', 'G', 'b.py', [EACH], primary=[entry]), layout)['primary']
    with pytest.raises(BadInput, match="'tunning', which compares nothing in this grid; did you mean 'tuning'"):
        question_of(Grid('g', 'G', 'b.py', [EACH], primary=['tunning']), layout)


QUESTION = dict(metric='dice', equivalence_margin=0.5, method='m', primary=[['a', 'baseline']])


def test_the_same_question_is_asked_once():
    first = asked(QUESTION, [], 0)
    assert first == [QUESTION | dict(n_results=0)]
    assert asked(QUESTION, first, 12) == first


@pytest.mark.parametrize(
    'change',
    [
        dict(metric='miou'),
        dict(equivalence_margin=1.0),
        dict(method='n'),
        dict(primary=[['b', 'baseline']]),
        dict(looks=dict(seeds=[2, 3], levels=[0.02, 0.04], followed=['a', 'baseline'])),
    ],
)
def test_another_question_stands_beside_the_first_with_the_results_that_were_there(change):
    first = asked(QUESTION, [], 0)
    again = asked(QUESTION | change, first, 12)
    assert again == [*first, QUESTION | change | dict(n_results=12)]
    assert asked(QUESTION, again, 18) == [*again, QUESTION | dict(n_results=18)]


def test_the_metric_is_frozen_with_the_question_and_a_later_one_stands_beside_it():
    first, later = (
        question_of(Grid('g', 'G', 'b.py', [EACH], metric=name), lay_out([EACH])) for name in ('dice', 'miou')
    )
    assert (first['metric'], later['metric']) == ('dice', 'miou')
    kept = asked(first, [], 0)
    assert [one['metric'] for one in asked(later, kept, 3)] == ['dice', 'miou'] and asked(first, kept, 3) == kept
