"""Grids that are run until decided: what stops, what is shown of it, and how often that is wrong.

Simulated grids without any true difference, looked at with 2, 3, … 10 seeds, 8 groups of images, 2,000 grids; worlds of
tests/helpers/simulated_grids.py. The first number is the part of the grids with a false call or more at any look, the
second the part of the differences whose intervals of all looks hold the truth, both in percent (standard error 0.5)::

    different trainings    5 rows          20 rows
      records               2.7    96.1     0.7    97.6
      homogeneous           2.1    96.6     0.2    97.7
      heterogeneous         4.6    95.0     2.8    95.4
      a_fifth_tenfold       2.9    96.1     0.9    96.7
      half_tenfold          3.9    95.2     1.7    95.7
      a_fifth_hundredfold   4.7    94.4     3.5    94.7
      half_hundredfold      6.8    92.7     4.9    93.7
      reference_tenfold     3.5    93.8     1.8    93.7
      reference_hundredfold  5.5    88.7     4.5    83.8
      reference_a_tenth     1.2    97.8     0.2    98.5
      heavy_tails           2.1    96.4     0.5    97.1
      exponential_seeds     2.1    96.1     0.3    96.9
      one_in_ten_fails      1.3    97.4     0.1    97.7
      one_in_three_fails    4.3    94.6     0.7    96.0
      bimodal_seeds         5.9    93.9     0.9    96.0
      near_copies           0.9    98.0     0.4    98.4
      unscored_groups       2.9    96.7     2.6    97.2
      skewed_groups         1.4    98.0     1.1    97.9
      groups_only           3.7    96.7     2.5    96.9
      seeds_only            4.5    94.3     0.9    95.4
    one training           5 rows          20 rows
      records               2.2    96.8     1.8    96.9
      independent           1.9    96.9     1.6    97.0
      near_copies           2.1    97.0     2.4    96.4
      homogeneous           1.5    97.4     0.7    98.0
      heterogeneous         3.2    96.6     2.8    96.3
      a_fifth_hundredfold   2.6    96.8     1.5    97.0
      exponential_seeds     3.8    96.3     5.5    96.3
      bimodal_seeds         3.2    96.4     1.5    97.2
      unscored_groups       2.2    97.3     1.7    97.1
      one_in_ten_fails      7.3    94.3     8.0    94.8
      one_in_three_fails    6.7    95.2     5.1    95.8
      skewed_groups         4.5    95.6     3.6    95.9
      seeds_only            5.3    94.4     2.8    95.2

The worlds that break the method break it here: a reference that varies a hundred times as much as its rows, whose
intervals are too short, and trainings that fail with the technique alone. One look at ten seeds has 6 to 8 % in the
latter, too (test_moderation.py). Where half of the arms vary a hundred times as much as the others, and with bimodal
seeds, six or seven grids in a hundred have a false call. All others stay at 5 % within the error of the simulation.

To make it again::

    PYTHONPATH=.:tests/helpers python tests/helpers/simulated_looks.py 2000
"""

import numpy as np
import pytest
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING, draw
from simulated_looks import PLANNED, different_counts, rates, until_decided

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.looks import Looks, compare_over_looks, pairs_to_follow
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.spending import Look, nominal_levels
from benchmarks.analysis.verdicts import compare

FOREGROUND = np.array([1])
GROUPS = np.repeat(np.arange(6), 4)
PAIRS = (('better', 'baseline'), ('same', 'baseline'))
COMPARISONS = [dict(design='cumulative', stack=stack, reference=reference) for stack, reference in PAIRS]


def cell(level, seed):
    """Counts of 24 images of two classes whose foreground recall is about ``level``."""
    rng = np.random.default_rng([seed, 7])
    recall = np.clip(level + rng.normal(0, 0.004) + rng.normal(0, 0.01, len(GROUPS)), 0, 1)
    tp = np.round(1000 * recall).astype(np.int64)
    area = np.stack([np.stack([9000 + 0 * tp, 1000 - tp, 0 * tp], 1), np.stack([tp, 0 * tp, 1000 - tp], 1)], 1)
    return CellCounts(area, area // 10, area[..., :2] // 10, *np.full((2, *area.shape[:2]), np.nan))


def counts(**levels):
    """Counts of stacks; each given as its level and its number of seeds."""
    cells = {
        f'{stack}__seed{seed}': cell(level, 100 * place + seed)
        for place, (stack, (level, number)) in enumerate(levels.items())
        for seed in range(number)
    }
    return Counts(cells, [f'i{n}' for n in range(len(GROUPS))], GROUPS)


def taken(*numbers):
    """The looks; each as the seeds of baseline, better and same."""
    return tuple(dict(zip(('baseline', 'better', 'same'), number)) for number in numbers)


def judge(cells, *numbers, planned=(2, 3, 4), primary=None, margin=0.0):
    looks = Looks(planned, frozenset(('baseline', 'better', 'same')), taken(*numbers))
    rows = compare_over_looks(COMPARISONS, cells, Facts(), looks, FOREGROUND, margin, primary, ('dice',))
    return {row['stack']: row for row in rows}


def test_a_single_look_is_a_design_of_fixed_seeds():
    cells = counts(baseline=(0.8, 3), better=(0.83, 3), same=(0.801, 3))
    rows = compare(COMPARISONS, cells, Facts(), range(3), FOREGROUND, 1.0, None, ('dice',))
    looks = Looks((3,), frozenset(), taken((3, 3, 3)))
    again = compare_over_looks(COMPARISONS, cells, Facts(), looks, FOREGROUND, 1.0, None, ('dice',))
    assert [row.pop('interval_level') for row in again] == pytest.approx([0.05, 0.05])
    for row, other in zip(rows, again):
        assert row.keys() == other.keys() and row['verdict'] == other['verdict']
        assert [row[name] for name in row if isinstance(row[name], float)] == pytest.approx(
            [other[name] for name in row if isinstance(row[name], float)], nan_ok=True
        )


def test_a_settled_pair_keeps_the_seeds_of_its_look():
    cells = counts(baseline=(0.8, 4), better=(0.95, 4), same=(0.8, 4))
    at_third = judge(cells, (2, 2, 2), (3, 3, 3))['better']
    later = judge(cells, (2, 2, 2), (3, 3, 3), (4, 4, 4))
    assert at_third['verdict'] == 'gain' and at_third['n_seeds'] == 3
    assert {name: later['better'][name] for name in ('verdict', 'n_seeds', 'delta', 'low', 'high')} == {
        name: at_third[name] for name in ('verdict', 'n_seeds', 'delta', 'low', 'high')
    }
    assert later['same']['n_seeds'] == 4 and later['same']['verdict'] == 'undecided'


def test_an_interval_leaves_out_the_level_of_its_look_and_agrees_with_the_verdict():
    cells = counts(baseline=(0.8, 3), better=(0.95, 3), same=(0.8, 3))
    rows = judge(cells, (2, 2, 2), (3, 3, 3))
    levels = nominal_levels(0.05, (2, 3, 4))
    assert [row['interval_level'] for row in rows.values()] == pytest.approx([levels[1], levels[1]])
    fixed = compare(COMPARISONS, cells, Facts(), range(3), FOREGROUND, 0.0, None, ('dice',))
    assert rows['better']['low'] < fixed[0]['low'] and rows['better']['low'] > 0
    assert rows['better']['p_corrected'] > 2 * rows['better']['p']


def test_equivalence_stops_a_pair():
    cells = counts(baseline=(0.8, 4), better=(0.95, 4), same=(0.8, 4))
    rows = judge(cells, (2, 2, 2), (3, 3, 3), (4, 4, 4), margin=10.0)
    assert rows['same']['verdict'] == 'equivalent' and rows['same']['n_seeds'] < 4
    assert rows['same']['p_equivalence'] < 0.05


def test_an_explored_pair_shows_the_seeds_that_it_shares():
    cells = counts(baseline=(0.8, 4), better=(0.95, 4), same=(0.8, 2))
    primary = {frozenset(('better', 'baseline'))}
    looks = Looks((2, 3, 4), frozenset(('baseline', 'better')), taken((2, 2, 2), (3, 3, 2), (4, 4, 2)))
    rows = compare_over_looks(COMPARISONS, cells, Facts(), looks, FOREGROUND, 0.0, primary, ('dice',))
    same = next(row for row in rows if row['stack'] == 'same')
    # It can get no further seeds, so its test is that of a fixed design.
    assert same['n_seeds'] == 2 and same['interval_level'] == pytest.approx(0.05)
    assert same['family'] == 'exploratory' and same['p_corrected'] == same['p']


@pytest.mark.parametrize(
    'first, following, numbers',
    [
        ((2, 2), ('a', 'b'), (2, 3, 4, 5)),
        ((4, 4), ('a', 'b'), (4, 5)),  # a baseline of four seeds, and a row that shares its training
        ((7, 7), ('a', 'b'), (7,)),
        ((4, 2), ('a', 'b'), (2, 3, 4, 5)),
        ((4, 2), ('a',), (2,)),
    ],
)
def test_each_pair_has_the_looks_at_which_it_may_get_seeds(first, following, numbers):
    looks = Looks((2, 3, 4, 5), frozenset(following), (dict(zip('ab', first)),))
    assert looks.of_pair('ab') == numbers


@pytest.mark.parametrize('stacks, look', [('ab', Look((2, 3, 4), 1)), ('abc', Look((2,))), ('d', Look((3, 4), 0))])
def test_a_sum_of_stacks_is_looked_at_with_the_seeds_that_they_share(stacks, look):
    """No seeds are added to ``c``; ``d`` has three from the start."""
    taken = (dict(a=2, b=2, c=2, d=3), dict(a=3, b=3, c=2, d=3))
    found = Looks((2, 3, 4), frozenset('abd'), taken).at(stacks)
    assert found == look and (found.level == 0.05) == (stacks == 'abc')


def test_seeds_go_to_what_they_may_decide():
    nan = float('nan')
    common = dict(design='cumulative', reference='baseline', family='primary', seeds_covered=True, limited_by='', p=0.3)
    common['failed_alone'] = False
    rows = [
        common | dict(stack='open', verdict='undecided'),
        common | dict(stack='settled', verdict='loss'),
        common | dict(stack='gone', verdict='missing', p=nan),
        common | dict(stack='one group', verdict='undecided', p=nan),
        common | dict(stack='one of two failed', verdict='undecided', p=nan, seeds_covered=False),
        common | dict(stack='explored', verdict='undecided', family='exploratory'),
    ]
    control = common | dict(stack='harm', design='positive_control', family='exploratory', verdict='undecided')
    assert [stack for stack, _ in pairs_to_follow([*rows, control])] == ['open', 'one of two failed']
    blind = common | dict(stack='blind', verdict='undecided', limited_by='control')
    assert pairs_to_follow([blind, control]) == [('harm', 'baseline')]
    assert pairs_to_follow([blind, control | dict(verdict='loss')]) == []
    failed = control | dict(verdict='not learned', failed_alone=True, p=nan)
    assert pairs_to_follow([blind, failed]) == []
    assert pairs_to_follow([blind, failed | dict(seeds_covered=False)]) == [('harm', 'baseline')], 'of one seed only'


@pytest.mark.slow
@pytest.mark.parametrize('name', DIFFERENT_TRAININGS)
def test_all_looks_together_seldom_hold_a_false_call(name):
    found = rates(DIFFERENT_TRAININGS[name], 31, 400, 5, 8, shared=False)
    # 5 % and three standard errors of 400 grids.
    assert found.family <= 8.3
    # With ten seeds of the reference fewer intervals are too short: test_moderation.py.
    assert found.coverage >= (84 if name == 'reference_hundredfold' else 92)


@pytest.mark.slow
@pytest.mark.parametrize('name', SHARED_TRAINING)
def test_nor_within_one_training(name):
    found = rates(SHARED_TRAINING[name], 32, 400, 5, 8, shared=True)
    # Trainings that fail with the technique alone: no method of a few seeds can know; see test_moderation.py.
    assert found.family <= (12 if 'fails' in name else 8.3) and found.coverage >= 92


@pytest.mark.slow
def test_planted_effects_are_found_with_fewer_trainings_than_ten_seeds_of_each():
    effects = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 5.0])
    grids = draw(DIFFERENT_TRAININGS['records'], np.random.default_rng(33), 12, 6, PLANNED[-1], 8, effects, 0.1)
    spent = [until_decided(cells, 0.5) for cells in grids.cells]
    verdicts = np.array([[row['verdict'] for row in one.rows] for one in spent])
    assert np.mean([one.trainings for one in spent]) < 0.8 * 6 * PLANNED[-1]
    assert (verdicts[:, 2:] == 'gain').mean() > 0.9 and not np.isin(verdicts, ['loss']).any()
    covered = [[row['low'] <= effect <= row['high'] for row, effect in zip(one.rows, effects[1:])] for one in spent]
    assert np.mean(covered) >= 0.92


def test_counts_of_simulated_cells_differ():
    assert len({part.area[0, 0, 0] for part in different_counts(3, 4, 5).cells.values()}) == 12
