import pytest

from benchmarks.designs import Comparison, Layout, cumulative, each_alone, factorial, lay_out, leave_one_out
from benchmarks.errors import BadInput


def test_cumulative():
    assert cumulative(['a', 'b']) == Layout(
        [(), ('a', ), ('a', 'b')],
        [Comparison('cumulative', ('a', ), ()), Comparison('cumulative', ('a', 'b'), ('a', )),
         Comparison('cumulative_vs_baseline', ('a', ), ()), Comparison('cumulative_vs_baseline', ('a', 'b'), ())])


def test_each_alone():
    assert each_alone(['b', 'a']) == Layout(
        [(), ('b', ), ('a', )], [Comparison('each_alone', ('b', ), ()), Comparison('each_alone', ('a', ), ())])


def test_leave_one_out():
    assert leave_one_out(['a', 'b', 'c']) == Layout(
        [('a', 'b', 'c'), ('b', 'c'), ('a', 'c'), ('a', 'b')],
        [Comparison('leave_one_out', left, ('a', 'b', 'c')) for left in (('b', 'c'), ('a', 'c'), ('a', 'b'))])


def test_factorial():
    stacks = [(), ('a', ), ('b', ), ('c', ), ('a', 'b'), ('a', 'c'), ('b', 'c'), ('a', 'b', 'c')]
    assert factorial(['a', 'b', 'c']) == Layout(stacks, [Comparison('factorial', stack, ()) for stack in stacks[1:]])


def test_designs_merge_and_each_stack_stands_once_in_order_of_appearance():
    layout = lay_out([dict(type='cumulative', techniques=['a', 'b']), dict(type='leave_one_out', techniques=['a', 'b']),
                      dict(type='cumulative', techniques=['a', 'b'])])
    assert layout.stacks == [(), ('a', ), ('a', 'b'), ('b', )]
    assert len(layout.comparisons) == 4 + 2
    assert layout.comparisons[4:] == [Comparison('leave_one_out', ('b', ), ('a', 'b')),
                                      Comparison('leave_one_out', ('a', ), ('a', 'b'))]


def test_no_technique_leaves_the_baseline():
    assert lay_out([dict(type='cumulative', techniques=[])]) == Layout([()], [])


@pytest.mark.parametrize('designs, message', [
    ([dict(type='cumulativ', techniques=['a'])], "unknown design 'cumulativ'; did you mean 'cumulative'"),
    ([dict(techniques=['a'])], "unknown design 'None'"),
    ([dict(type='factorial', technique=['a'])], "design 'factorial' takes no 'technique'; did you mean 'techniques'"),
    ([dict(type='each_alone', techniques=['a', 'b', 'a'])], "lists the technique 'a' twice"),
    ([], 'the grid has no designs'),
])
def test_what_cannot_be_laid_out_is_refused(designs, message):
    with pytest.raises(BadInput, match=message):
        lay_out(designs)
