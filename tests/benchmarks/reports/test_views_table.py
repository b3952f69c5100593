"""Gain for each further view against its cost: sets of views of one training."""

import numpy as np
import pandas as pd
import pytest
from told_pairs import told

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.record import stack_name
from benchmarks.reports.pair_verdicts import NONE_COMPARED
from benchmarks.reports.results import Results
from benchmarks.reports.views_answer import views_answer
from benchmarks.reports.views_table import views_table

N = 24
GROUPS = np.repeat(np.arange(8), 3)
SETS = {'two': 2, 'four': 4, 'eight': 8}
LABELS = {name: name for name in ('baseline', *SETS, 'other')}


def grid_of(gains, seeds=(0, 1, 2), **changed):
    """Rows of one training, with Dice gains by name; ``changed`` gives fields of the records of a row by its name."""
    rng = np.random.default_rng(0)
    base, rows, cells, records = rng.normal(75, 3, N), [], {}, {}
    for team in ((), *((name,) for name in gains)):
        name = stack_name(team)
        rows.append(dict(stack=name, techniques=list(team), label=name, published_dice=None))
        for seed in seeds:
            tp = (base + gains.get(name, 0) + rng.normal(0, 0.1, N)) * 1000
            area = np.stack([np.zeros((N, 3)), np.stack([tp, 10**5 - tp, 10**5 - tp], 1)], 1).astype(int)
            nothing = np.full((N, 2), np.nan)
            cell = f'{name}__seed{seed}'
            cells[cell] = CellCounts(area, area, area[..., :2], nothing, nothing)
            keys = dict(train=f't{seed}', predict=cell, refine=None)
            record = dict(status='ok', train=None, keys=keys, acted={}, maps_sha256=cell, views=SETS.get(name, 1))
            records[cell] = record | changed.get(name, {})
    comparisons = [dict(design='each_alone', stack=name, reference='baseline') for name in gains]
    grid = dict(
        rows=rows, seeds=list(seeds), classes=['no', 'yes'], background=0, conditions=[], comparisons=comparisons
    )
    return Results(grid, records, {}, Counts(cells, [f'{n:02d}' for n in range(N)], GROUPS))


def table_of(results, latency=None, told=NONE_COMPARED):
    stacks = [row['stack'] for row in results.grid['rows']]
    known = dict(baseline=10.0, two=19.0, four=36.0, eight=73.0) if latency is None else latency
    table = pd.DataFrame(dict(stack=stacks, latency_ms_p50=[known.get(stack, np.nan) for stack in stacks]))
    return views_table(results, table, 0.5, told).set_index('stack')


def test_gains_and_costs_of_a_view_by_hand():
    table = table_of(grid_of(dict(eight=2.0, two=1.0, four=2.0)))
    assert table.index.tolist() == ['two', 'four', 'eight'] and set(table['reference']) == {'baseline'}
    assert table['gain'].tolist() == pytest.approx([1, 2, 2], abs=0.1)
    assert table['gain_per_view'].tolist() == pytest.approx([1, 2 / 3, 2 / 7], abs=0.1)
    assert table['ms_per_view'].tolist() == pytest.approx([9, 26 / 3, 9])
    assert table['before'].tolist() == ['baseline', 'two', 'four']
    assert table['step_verdict'].tolist() == ['gain', 'gain', 'equivalent']
    text = views_answer(table.reset_index(), LABELS)
    assert '“eight” (8 views) against “baseline” (1): +2.0 [' in text
    assert 'for each of 7 more views at 9.0 ms; against “four”, which has the next ' in text
    assert 'smaller number of views, 0.0 [' in text and '] (equivalent).' in text
    assert 'for each of 1 more view at 9.0 ms.' in text


def test_a_pair_that_the_grid_compares_has_verdict_and_numbers_of_that_comparison():
    results, other = grid_of(dict(two=1.0, four=2.0)), {('two', 'baseline'): told('undecided', 'gain')}
    assert table_of(results)['verdict'].tolist() == ['gain', 'gain']
    table = table_of(results, told=other)
    assert table['verdict'].tolist() == table['step_verdict'].tolist() == ['undecided', 'gain']
    assert table.loc['two', ['gain', 'low', 'high', 'gain_per_view', 'n_seeds']].tolist() == [7.0, 6.0, 8.5, 7.0, 2]
    assert table.loc['two', ['step', 'step_low', 'step_high']].tolist() == [7.0, 6.0, 8.5]
    assert table.loc['four', 'gain'] == pytest.approx(2, abs=0.1) and table.loc['four', 'n_seeds'] == 3
    text = views_answer(table.reset_index(), LABELS)
    assert '] points (undecided), +' in text and 'has its interval and verdict of [comparisons.csv]' in text
    one = {('two', 'baseline'): told('undecided', 'gain', n_seeds=1)}
    of_one = table_of(grid_of(dict(two=1.0), seeds=(0,)), told=one)  # it speaks of the network that was trained
    assert of_one['verdict'].tolist() == ['gain'] and of_one['n_seeds'].tolist() == [1]


def test_one_seed_speaks_of_the_network_that_was_trained():
    table = table_of(grid_of(dict(two=1.0), seeds=(0,)))
    assert table['verdict'].tolist() == ['gain'] and table['n_seeds'].tolist() == [1]
    assert 'with one seed verdicts speak of the network that was trained' in views_answer(table.reset_index(), LABELS)
    assert 'with one seed' not in views_answer(table_of(grid_of(dict(two=1.0))).reset_index(), LABELS)


def test_without_latencies_gains_are_told_alone():
    text = views_answer(table_of(grid_of(dict(two=1.0)), latency={}).reset_index(), LABELS)
    assert 'for each of 1 more view.' in text and ' ms' not in text


@pytest.mark.parametrize(
    'changed', [dict(keys=dict(train='another', refine=None)), dict(keys=dict(train='t0', refine='r')), dict(views=1)]
)
def test_other_rows_have_no_answer(changed):
    results = grid_of(dict(two=1.0), seeds=(0,), two=changed)
    assert table_of(results).empty and views_answer(table_of(results), LABELS) == ''


def test_records_from_before_have_no_answer():
    results = grid_of(dict(two=1.0))
    del results.records['two__seed0']['views']
    assert table_of(results).empty


def test_a_reference_with_more_seeds_is_of_the_same_training():
    results = grid_of(dict(two=1.0))
    del results.counts.cells['two__seed2'], results.records['two__seed2']
    assert table_of(results)['n_seeds'].tolist() == [2]
