import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.designs import (
    Comparison,
    Layout,
    cumulative,
    each_alone,
    explicit,
    factorial,
    lay_out,
    leave_one_out,
)


def test_cumulative():
    assert cumulative(['a', 'b']) == Layout(
        [(), ('a',), ('a', 'b')],
        [
            Comparison('cumulative', ('a',), ()),
            Comparison('cumulative', ('a', 'b'), ('a',)),
            Comparison('cumulative_vs_baseline', ('a',), ()),
            Comparison('cumulative_vs_baseline', ('a', 'b'), ()),
        ],
    )


def test_each_alone():
    assert each_alone(['b', 'a']) == Layout(
        [(), ('b',), ('a',)], [Comparison('each_alone', ('b',), ()), Comparison('each_alone', ('a',), ())]
    )


def test_leave_one_out():
    assert leave_one_out(['a', 'b', 'c']) == Layout(
        [('a', 'b', 'c'), ('b', 'c'), ('a', 'c'), ('a', 'b')],
        [Comparison('leave_one_out', left, ('a', 'b', 'c')) for left in (('b', 'c'), ('a', 'c'), ('a', 'b'))],
    )


def test_factorial():
    stacks = [(), ('a',), ('b',), ('c',), ('a', 'b'), ('a', 'c'), ('b', 'c'), ('a', 'b', 'c')]
    assert factorial(['a', 'b', 'c']) == Layout(stacks, [Comparison('factorial', stack, ()) for stack in stacks[1:]])


def test_explicit():
    assert explicit([(['b'], ['a']), (['b', 'c'], ['b']), (['a'], [])]) == Layout(
        [('a',), ('b',), ('b', 'c'), ()],
        [
            Comparison('explicit', ('b',), ('a',)),
            Comparison('explicit', ('b', 'c'), ('b',)),
            Comparison('explicit', ('a',), ()),
        ],
    )


def test_an_explicit_design_stands_beside_others_and_under_conditions():
    layout = lay_out(
        [
            dict(type='each_alone', techniques=['a', 'b']),
            dict(type='explicit', pairs=[(['b'], ['a'])], conditions=['noise']),
        ]
    )
    assert layout.stacks == [(), ('a',), ('b',), ('a', 'noise'), ('b', 'noise')]
    assert layout.comparisons[2:] == [
        Comparison('explicit', ('b',), ('a',)),
        Comparison('explicit@noise', ('b', 'noise'), ('a', 'noise')),
    ]


@pytest.mark.parametrize(
    'design, said',
    [
        (dict(type='explicit', techniques=['a']), "takes no 'techniques'"),
        (dict(type='each_alone', pairs=[]), "takes no 'pairs'"),
        (dict(type='explicit', pairs=[('a', 'b')]), 'write .stack, reference.'),
        (dict(type='explicit', pairs=[(['a'], ['b'], ['c'])]), 'write .stack, reference.'),
        (dict(type='explicit', pairs=[(['a'], ['a'])]), 'with itself'),
        (dict(type='explicit', pairs=[(['a', 'a'], [])]), "lists the technique 'a' twice"),
        (dict(type='explicit', pairs=[]), r"'explicit' has pairs=\[\].*give it pairs="),
        (dict(type='explicit'), "'explicit' has no pairs.*give it pairs="),
        (dict(type='explicit', conditions=['noise']), "'explicit' has no pairs"),
        (dict(type='explicit', pairs=None), "'explicit' has pairs=None"),
        (dict(type='explicit', pairs=[(['a'], ['noise'])], conditions=['noise']), 'name it as one of the two'),
    ],
)
def test_an_explicit_design_that_is_none_is_refused(design, said):
    with pytest.raises(BadInput, match=said):
        lay_out([dict(type='each_alone', techniques=['z']), design])


def test_designs_merge_and_each_stack_stands_once_in_order_of_appearance():
    layout = lay_out(
        [
            dict(type='cumulative', techniques=['a', 'b']),
            dict(type='leave_one_out', techniques=['a', 'b']),
            dict(type='cumulative', techniques=['a', 'b']),
        ]
    )
    assert layout.stacks == [(), ('a',), ('a', 'b'), ('b',)]
    assert len(layout.comparisons) == 4 + 2
    assert layout.comparisons[4:] == [
        Comparison('leave_one_out', ('b',), ('a', 'b')),
        Comparison('leave_one_out', ('a',), ('a', 'b')),
    ]


def test_an_aa_arm_is_the_baseline_again():
    layout = lay_out([dict(type='each_alone', techniques=['a']), dict(type='aa')])
    assert layout.stacks == [(), ('a',), ('baseline_again',)] and layout.again_of == {('baseline_again',): ()}
    assert layout.comparisons[-1] == Comparison('aa', ('baseline_again',), ())


@pytest.mark.parametrize(
    'fields, harmed',
    [
        ({}, 'third_of_steps'),
        (dict(technique='harm'), 'harm'),
        (dict(technique='harm', values=dict(fraction=0.1)), 'harm[fraction=0.1]'),
    ],
)
def test_a_positive_control_is_a_known_harm_to_the_baseline(fields, harmed):
    layout = lay_out([dict(type='positive_control', **fields)])
    assert layout.stacks == [(), (harmed,)]
    assert layout.comparisons == [Comparison('positive_control', (harmed,), ())]
    assert set(layout.variants) == ({harmed} if 'values' in fields else set())


def test_designs_that_test_the_grid_are_checked():
    for design, said in (
        (dict(type='aa', conditions=['noise']), "'aa' takes no 'conditions'"),
        (dict(type='positive_control', values=3), 'values=3; give the name of a technique that does harm'),
        (dict(type='positive_control', technique=['a']), r"has technique=\['a'\]"),
        (dict(type='each_alone', techniques=['baseline_again']), "is the row of the design 'aa' and no technique"),
    ):
        with pytest.raises(BadInput, match=said):
            lay_out([dict(type='each_alone', techniques=['z']), design])


def test_no_technique_leaves_the_baseline():
    assert lay_out([dict(type='cumulative', techniques=[])]) == Layout([()], [])


NOTHING_TO_COMPARE = [
    (dict(), 'has no techniques'),
    (dict(techniques=None), 'has techniques=None'),
    (dict(techniques='ab'), "has techniques='ab'"),
    (dict(techniques=[]), r'has techniques=\[\]'),
]


@pytest.mark.parametrize(
    'kind, given, said',
    [
        (kind, given, said)
        for kind in ('cumulative', 'each_alone', 'leave_one_out', 'factorial')
        for given, said in NOTHING_TO_COMPARE
        if (kind, given) != ('cumulative', dict(techniques=[]))  # the baseline alone, on purpose: the test before
    ],
)
def test_a_design_that_compares_nothing_is_refused(kind, given, said):
    with pytest.raises(BadInput, match=f"design '{kind}' {said}, so it compares nothing; give it techniques="):
        lay_out([dict(type='cumulative', techniques=['z']), dict(type=kind, **given)])


def test_every_stack_runs_under_every_condition_beside_its_reference():
    layout = lay_out([dict(type='cumulative', techniques=['a', 'b'], conditions=['noise', 'blur'])])
    plain = [(), ('a',), ('a', 'b')]
    assert layout.stacks == plain + [(*stack, name) for name in ('noise', 'blur') for stack in plain]
    assert layout.comparisons[:4] == cumulative(['a', 'b']).comparisons
    assert layout.comparisons[4:8] == [
        Comparison('cumulative@noise', ('a', 'noise'), ('noise',)),
        Comparison('cumulative@noise', ('a', 'b', 'noise'), ('a', 'noise')),
        Comparison('cumulative_vs_baseline@noise', ('a', 'noise'), ('noise',)),
        Comparison('cumulative_vs_baseline@noise', ('a', 'b', 'noise'), ('noise',)),
    ]
    assert [one.design for one in layout.comparisons[8:]] == (
        ['cumulative@blur'] * 2 + ['cumulative_vs_baseline@blur'] * 2
    )
    assert layout.clean_stack_of == {(*stack, name): stack for name in ('noise', 'blur') for stack in plain}


def test_no_stack_is_compared_with_itself_without_the_condition():
    layout = lay_out([dict(type='factorial', techniques=['a', 'b'], conditions=['noise'])])
    assert all(
        (one.stack in layout.clean_stack_of) == (one.reference in layout.clean_stack_of) for one in layout.comparisons
    )


def test_designs_with_one_condition_share_its_stacks():
    layout = lay_out(
        [dict(type=kind, techniques=['a', 'b'], conditions=['noise']) for kind in ('each_alone', 'factorial')]
    )
    assert layout.stacks == [
        (),
        ('a',),
        ('b',),
        ('noise',),
        ('a', 'noise'),
        ('b', 'noise'),
        ('a', 'b'),
        ('a', 'b', 'noise'),
    ]
    assert len(layout.clean_stack_of) == 4


@pytest.mark.parametrize(
    'designs, message',
    [
        ([dict(type='each_alone', techniques=['a'], conditions=['c', 'c'])], "lists the condition 'c' twice"),
        (
            [dict(type='each_alone', techniques=['a'], condition=['c'])],
            "takes no 'condition'; did you mean 'conditions'",
        ),
        (
            [dict(type='each_alone', techniques=['c'], conditions=['c'])],
            "'c' is a condition of the design 'each_alone'",
        ),
        (
            [dict(type='each_alone', techniques=['c']), dict(type='cumulative', techniques=['a'], conditions=['c'])],
            "'c' is a condition of the design 'cumulative' and a technique",
        ),
        ([dict(type='cumulativ', techniques=['a'])], "unknown design 'cumulativ'; did you mean 'cumulative'"),
        ([dict(techniques=['a'])], "unknown design 'None'"),
        (
            [dict(type='factorial', technique=['a'])],
            "design 'factorial' takes no 'technique'; did you mean 'techniques'",
        ),
        ([dict(type='each_alone', techniques=['a', 'b', 'a'])], "lists the technique 'a' twice"),
        ([], 'the grid has no designs'),
    ],
)
def test_what_cannot_be_laid_out_is_refused(designs, message):
    with pytest.raises(BadInput, match=message):
        lay_out(designs)


def test_stacks_that_several_designs_hold_are_counted():
    names = ['a', 'b', 'c', 'd', 'e']
    layout = lay_out([dict(type=kind, techniques=names) for kind in ('cumulative', 'leave_one_out', 'each_alone')])
    assert sum(layout.design_count.get(stack, 1) for stack in layout.stacks) == 18 and len(layout.stacks) == 14
    assert layout.design_count == {(): 2, ('a',): 2, tuple(names): 2, tuple(names[:4]): 2}


def test_all_mistakes_of_a_design_are_told_at_once():
    pairs = [('a', 'b'), (['a'],), (['a'], ['a']), (['b', 'b'], ['c', 'c'])]
    with pytest.raises(BadInput) as refused:
        lay_out(
            [dict(type='explicit', pairs=pairs), dict(type='each_alone', techniques=['a', 'a'], conditions=['n', 'n'])]
        )
    said = refused.value.args
    assert [sum(words in mistake for mistake in said) for words in ('has the pair', 'with itself', 'twice')] == [
        2,
        1,
        4,
    ]
    with pytest.raises(BadInput) as refused:
        lay_out([dict(type='each_alone', techniques=['a', 'b'], conditions=['a', 'b'])])
    assert len(refused.value.args) == 2
