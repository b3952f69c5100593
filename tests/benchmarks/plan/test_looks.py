"""The looks of a grid: how many seeds, which rows may get more, which do at a look."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.grid import read_grid
from benchmarks.plan.layout import Comparison
from benchmarks.plan.looks import GridLooks, followed, most_seeds, seeds_at


@pytest.mark.parametrize('line, asked, most', [('', None, 10), ('seeds = 2', None, 10), ('seeds = 5', None, 5)])
def test_the_most_seeds_are_the_grids_where_it_says_more_than_two_or_else_ten(tmp_path, line, asked, most):
    (tmp_path / 'grid.py').write_text(f"title = 't'\nbaseline = 'mmseg::x.py'\ndesigns = []\n{line}\n")
    assert most_seeds(read_grid(tmp_path / 'grid.py'), asked) == most
    assert most_seeds(read_grid(tmp_path / 'grid.py'), 7) == 7


def test_two_seeds_at_most_are_refused(tmp_path):
    (tmp_path / 'grid.py').write_text("title = 't'\nbaseline = 'mmseg::x.py'\ndesigns = []\n")
    with pytest.raises(BadInput, match='--seeds 2: --until-decided begins with 2 seeds.*give 3 or more'):
        most_seeds(read_grid(tmp_path / 'grid.py'), 2)


COMPARISONS = [
    Comparison('cumulative', ('a',), ()),
    Comparison('each_alone', ('b',), ()),
    Comparison('positive_control', ('harm',), ()),
]


def test_rows_of_primary_pairs_and_of_the_positive_control_may_get_seeds():
    assert followed(COMPARISONS, {frozenset(('a', 'baseline'))}) == ('a', 'baseline', 'harm')


def test_a_grid_without_primary_comparisons_is_refused():
    with pytest.raises(BadInput, match='this grid has none; add a design'):
        followed(COMPARISONS, set())


def test_a_look_adds_seeds_to_the_open_rows_alone_and_takes_none_away():
    seeds = {(): [0, 1, 2, 3], ('a',): [0, 1], ('b',): [0, 1]}
    assert seeds_at(seeds, ('a', 'baseline'), 3) == {(): [0, 1, 2, 3], ('a',): [0, 1, 2], ('b',): [0, 1]}


def test_looks_are_taken_one_after_another():
    looks = GridLooks((2, 3), ('a', 'baseline'), (0.01, 0.04)).take({(): [0, 1], ('a',): [0, 1]})
    assert looks.taken == (dict(baseline=2, a=2),) and looks.next == 3
    assert looks.take({(): range(3), ('a',): range(3)}).next is None
    assert looks.asked() == dict(seeds=[2, 3], levels=[0.01, 0.04], followed=['a', 'baseline'])
