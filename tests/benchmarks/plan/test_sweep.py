"""Sweeps: which rows a technique's parameters over values give, under which names."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.designs import lay_out
from benchmarks.plan.layout import Comparison


def swept(over, **fields):
    return lay_out([dict(type='sweep', technique='t', over=over, **fields)])


def test_each_value_is_a_row_against_the_stack_without_the_technique():
    layout = swept(dict(gamma=[0.5, 2.0]))
    assert layout.stacks == [(), ('t[gamma=0.5]',), ('t[gamma=2]',)]
    assert layout.comparisons == [Comparison('sweep', stack, ()) for stack in layout.stacks[1:]]
    assert layout.variants['t[gamma=2]'].values == dict(gamma=2.0)


def test_a_sweep_stands_on_a_stack_and_has_the_reference_that_it_names():
    assert swept(dict(gamma=[2]), on=['a']).comparisons == [Comparison('sweep', ('a', 't[gamma=2]'), ('a',))]
    layout = swept(dict(gamma=[2]), on=['a'], reference=['a', 't'], conditions=['noise'])
    assert layout.comparisons[0] == Comparison('sweep', ('a', 't[gamma=2]'), ('a', 't'))
    assert layout.comparisons[1] == Comparison('sweep@noise', ('a', 't[gamma=2]', 'noise'), ('a', 't', 'noise'))


@pytest.mark.parametrize(
    'over, names',
    [
        (dict(b=[1, 2], a=[0.1]), ['a=0.1,b=1', 'a=0.1,b=2']),
        ([{'x.alpha': 0.3, 'beta': 0.7}, {'x.alpha': 0.5, 'beta': 0.5}], ['alpha=0.3,beta=0.7', 'alpha=0.5,beta=0.5']),
        (dict(n=dict(first=1, last=9, number=3)), ['n=1', 'n=5', 'n=9']),
        (dict(n=dict(first=0.001, last=0.1, number=3, log=True)), ['n=0.001', 'n=0.01', 'n=0.1']),
        (dict(n=dict(first=0, last=1, number=3)), ['n=0', 'n=0.5', 'n=1']),
        (dict(views=[['h'], ['h', 'v']]), ['views=h', 'views=h-v']),
        (dict(simplex=['b', 'a'], parts=3), ['a=0.666666666667,b=0.333333333333', 'a=0.333333333333,b=0.666666666667']),
        (dict(simplex=['b', 'a'], parts=2, least=0, total=4), ['a=4,b=0', 'a=2,b=2', 'a=0,b=4']),
        (dict(views=dict(none={}, one=dict(h=dict(type='Flip')))), ['views=none', 'views=one']),
        ({'a.w': [1], 'b.w': [2]}, ['a.w=1,b.w=2']),
        (dict(lr=[1e20, 1e-7, -1], s=['x/y + z']), ['lr=1e20,s=x-y-z', 'lr=1e-07,s=x-y-z', 'lr=-1,s=x-y-z']),
    ],
)
def test_names_are_readable_and_safe_as_file_names(over, names):
    variants = swept(over).variants
    assert list(variants) == [f't[{name}]' for name in names]
    assert not any(set(name) & set('/+ \\:*?"<>|') for name in variants)


@pytest.mark.parametrize(
    'over, said',
    [
        (dict(gamma=2), "'gamma' has the values 2; give a list"),
        (dict(gamma=[]), "'gamma' has no values"),
        (dict(gamma=[2, 2.0]), r"two rows 't\[gamma=2\]'"),
        (dict(gamma=[dict(a=1)]), 'has no short name; give names to the values'),
        (dict(gamma={'a/b': 1}), "a value called 'a/b'"),
        (dict(gamma=dict(first=1, last=2, nummer=3)), "a field 'nummer'; did you mean 'number'"),
        (dict(gamma=dict(first=1, last=2)), 'number=None; give dict'),
        (dict(gamma=dict(first=0, last=2, number=3, log=True)), 'logarithmic, so its ends must be above 0'),
        (dict(gamma=dict(first=0, last=2, number=1)), 'number=1; give 2 values or more'),
        ([dict(gamma=1), 'x'], 'has over=.*give over=dict'),
        (dict(simplex=['a', 'b'], part=3), "a field 'part'; did you mean 'parts'"),
        (dict(simplex=['a'], parts=3), 'give the keys of two parameters or more'),
        (dict(simplex=['a', 'b', 'c'], parts=3), 'simplex of 3 keys with parts=3, least=1; give more parts'),
        (dict(simplex=['a', 'b'], parts=4, total=0), 'total=0; give the sum of the values, above 0'),
        ([], "design 'sweep' has over=.*compares nothing"),
        ('gamma', "design 'sweep' has over='gamma'"),
    ],
)
def test_what_is_no_sweep_is_refused_with_the_cure(over, said):
    with pytest.raises(BadInput, match=said):
        swept(over)


def test_three_weights_that_sum_to_a_total():
    variants = swept(dict(simplex=['x.a', 'b', 'c'], parts=6, total=3.0)).variants
    points = [tuple(variant.values.values()) for variant in variants.values()]
    assert len(set(points)) == 10 and all(sum(point) == pytest.approx(3) for point in points)
    assert min(map(min, points)) == 0.5 and (1.0, 1.0, 1.0) in points
    assert all(list(variant.values) == ['x.a', 'b', 'c'] for variant in variants.values())


def test_fields_of_a_sweep_are_checked():
    for design, said in (
        (dict(over=dict(a=[1])), "has no technique, so it compares nothing; give it technique='...'"),
        (dict(technique='t', over=dict(a=[1]), no='x'), "takes no 'no'"),
        (dict(technique='t', over=dict(a=[1]), on='abc'), "has on='abc'; give a list of names"),
        (dict(technique='t', over=dict(a=[1]), conditions=['t']), 'name it as one of the two'),
    ):
        with pytest.raises(BadInput, match=said):
            lay_out([dict(type='sweep', **design)])


def test_two_sweeps_do_not_call_two_things_alike():
    one, other = dict(gamma=[1]), {'loss.gamma': [1]}
    with pytest.raises(BadInput, match=r"two sweeps have a row 't\[gamma=1\]'.*write the keys alike"):
        lay_out([dict(type='sweep', technique='t', over=over) for over in (one, other)])
    assert len(lay_out([dict(type='sweep', technique='t', over=one)] * 2).stacks) == 2


def test_a_value_that_is_the_techniques_own_shares_its_row():
    layout = lay_out(
        [
            dict(type='each_alone', techniques=['t', 'a']),
            dict(type='sweep', technique='t', over=dict(gamma=[1, 2]), reference=['t'], conditions=['noise']),
        ]
    ).renamed({'t[gamma=1]': 't'})
    assert layout.stacks == [(), ('t',), ('a',), ('t[gamma=2]',), ('t', 'noise'), ('t[gamma=2]', 'noise')]
    assert [one for one in layout.comparisons if one.design.startswith('sweep')] == [
        Comparison('sweep', ('t[gamma=2]',), ('t',)),
        Comparison('sweep@noise', ('t[gamma=2]', 'noise'), ('t', 'noise')),
    ]
    assert layout.clean_stack_of == {('t', 'noise'): ('t',), ('t[gamma=2]', 'noise'): ('t[gamma=2]',)}
    assert layout.design_count[('t',)] == 3 and ('a',) not in layout.design_count
