"""A pair that the grid compares has one verdict and one interval in the whole report."""

import numpy as np
import pandas as pd
import pytest
from told_pairs import NUMBERS, told

from benchmarks.analysis.metrics import DICE
from benchmarks.analysis.ways import WAYS
from benchmarks.reports.answers import answers
from benchmarks.reports.hidden_table import MEAN
from benchmarks.reports.pair_verdicts import pair_verdicts
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table
from benchmarks.reports.ways_answer import ways_answer
from benchmarks.reports.ways_table import audit

LABELS = {name: name for name in ('baseline', 'attention', 'attention+loss')}
DIFFERENCE = ('delta', 'low', 'high', 'checkpoints_low', 'checkpoints_high')
ROW = dict(stack='a', reference='b', verdict='gain', checkpoints_verdict='loss', family='exploratory')
ROW |= dict(smaller_than_margin=False)


@pytest.fixture(scope='module')
def results(synthetic_out):
    return read_results(synthetic_out)


@pytest.fixture(scope='module')
def undecided(results):
    """The comparison table of a grid in which no family of comparisons shows anything."""
    table = comparison_table(results)
    assert (table['verdict'] == 'gain').any()
    return table.assign(verdict='undecided', checkpoints_verdict='undecided')


def test_a_pair_turned_round_has_the_opposite_verdict():
    by_pair = pair_verdicts(pd.DataFrame([ROW | NUMBERS]))
    assert by_pair['a', 'b'] == told('gain', 'loss')._replace(text='gain (exploratory)')
    turned = dict(delta=-7.0, low=-8.5, high=-6.0, checkpoints_low=-7.75, checkpoints_high=-6.5)
    assert by_pair['b', 'a'] == told('loss', 'gain', **turned)._replace(text='loss (exploratory)')


def test_what_had_no_effect_differs_by_exactly_0_and_what_is_missing_has_no_number():
    none = NUMBERS | dict.fromkeys(DIFFERENCE, np.nan)
    for verdict, numbers in (('not effective', dict.fromkeys(DIFFERENCE, 0.0)), ('missing', {})):
        row = ROW | none | dict(verdict=verdict, checkpoints_verdict=verdict)
        for found in pair_verdicts(pd.DataFrame([row])).values():
            assert {name: found.columns[name] for name in DIFFERENCE if name in found.columns} == numbers
            assert found.columns['verdict'] == verdict


def test_the_mean_image_has_the_verdict_of_the_first_table(results, undecided):
    hidden = answers(results, stack_table(results), undecided).tables['hidden.csv']
    mean = hidden[hidden['score'] == MEAN]
    assert len(mean) and set(mean['verdict']) | set(mean['checkpoints_verdict']) == {'undecided'}
    assert 'gain' in set(hidden['verdict'])  # of other scores, which the first table has not


def test_all_ways_that_are_metrics_of_the_comparison_table_have_its_numbers(results, undecided):
    altered = undecided.assign(low=undecided['low'] - 5, high=undecided['high'] + 5)
    tables = answers(results, stack_table(results), altered).tables
    ways, ends, same = tables['ways.csv'], ['delta', 'low', 'high', 'n_seeds'], audit(results).same
    for metric, of_metric in altered.groupby('metric'):
        (way,) = [name for name in WAYS if WAYS[name].metric == metric]
        found = ways[ways['way'] == same.get(way, way)].set_index(['stack', 'reference'])
        want = of_metric.drop_duplicates(['stack', 'reference']).set_index(['stack', 'reference']).loc[found.index]
        assert len(found) and set(found['verdict']) == {'undecided'}
        np.testing.assert_array_equal(found[ends].astype(float), want[ends].astype(float))
    mean = tables['hidden.csv'].query('score == @MEAN').set_index(['stack', 'reference'])
    want = altered.query("metric == 'dice'").drop_duplicates(['stack', 'reference']).set_index(['stack', 'reference'])
    np.testing.assert_array_equal(mean[ends].astype(float), want.loc[mean.index, ends].astype(float))


def test_where_the_way_of_scoring_decides_the_verdict_of_the_first_table_stands_beside(results, undecided):
    by_pair = pair_verdicts(undecided[undecided['metric'] == DICE.name])
    found = audit(results)
    table = found.comparisons
    flip = table.assign(verdict=['gain' if way == table['way'].iloc[0] else 'loss' for way in table['way']])
    text = ways_answer(found._replace(comparisons=flip), LABELS, by_pair)
    assert '“attention” against “baseline”, undecided in the first table, is a gain by ' in text
