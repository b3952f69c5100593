"""What is said of looks: before the first one, and when there is none any more."""

from types import SimpleNamespace

from benchmarks.plan.layout import Comparison, Layout
from benchmarks.plan.looks import GridLooks
from benchmarks.session.until_decided import grid_looks, what_stays

NAN = float('nan')
ROW = dict(
    stack='a', reference='baseline', metric='dice',
    family='primary', verdict='undecided', n_seeds=4, delta=0.4, low=-0.6, high=1.4,
    limited_by='seeds', seeds_to_decide=9, seeds_to_decide_low=9, seeds_to_decide_high=9,
    times_groups_to_decide=NAN, times_groups_to_decide_low=NAN, times_groups_to_decide_high=NAN,
)  # fmt: skip


def test_the_looks_of_a_grid_follow_its_primary_pairs():
    layout = Layout([(), ('a',)], [Comparison('each_alone', ('a',), ())])
    grid = SimpleNamespace(primary=None, equivalence_margin=0.5, metric='dice')
    request = SimpleNamespace(grid=grid, seeds=[0, 1], stacks=SimpleNamespace(layout=layout))
    looks = grid_looks(request, 4)
    assert looks == GridLooks((2, 3, 4), ('a', 'baseline'), looks.levels)
    assert [round(level, 3) for level in looks.levels] == [0.013, 0.022, 0.037]


def test_what_is_settled_is_counted_by_pairs():
    again = ROW | dict(stack='baseline', reference='a', verdict='gain')
    rows = [ROW | dict(verdict='gain'), again, ROW | dict(stack='b', family='exploratory')]
    assert what_stays(rows, 'why') == ['settled: all 1 primary comparisons']


def test_what_is_open_has_its_number_and_what_would_decide_it():
    settled, line = what_stays([ROW], '10 seeds were the most')
    assert settled == 'settled: 0 of 1 primary comparisons; 10 seeds were the most'
    assert line == '  open: a against baseline after 4 seeds, +0.4 points [-0.6, +1.4]; about 9 seeds would decide'


def test_each_limit_has_its_cure():
    def said(**change):
        return what_stays([ROW | change], '')[1].partition(']')[2]

    assert said(times_groups_to_decide=2.5).startswith('; about 9 seeds, or about 2.5 times as many test groups would')
    assert said(seeds_to_decide=None) == '; more than 100 seeds would decide'
    groups = said(limited_by='groups', times_groups_to_decide=3.0)
    assert groups == '; about 3.0 times as many test groups would decide, more seeds alone would not'
    folds = said(limited_by='folds', times_groups_to_decide=3.0)
    assert folds.startswith('; more folds, or about 3.0 times as many test groups, would decide')
    assert said(limited_by='control') == '; the positive control does not show, so it is not called equivalent'
    assert said(limited_by='') == ''
