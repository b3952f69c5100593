"""A pair that the grid compares has one verdict in the whole report."""

import pandas as pd
import pytest

from benchmarks.analysis.metrics import DICE
from benchmarks.reports.answers import answers
from benchmarks.reports.hidden_table import MEAN
from benchmarks.reports.pair_verdicts import PairVerdict, pair_verdicts
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table
from benchmarks.reports.ways_answer import ways_answer
from benchmarks.reports.ways_table import audit

LABELS = {name: name for name in ('baseline', 'attention', 'attention+loss')}


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
    row = dict(stack='a', reference='b', verdict='gain', checkpoints_verdict='loss', family='exploratory')
    told = pair_verdicts(pd.DataFrame([row | dict(smaller_than_margin=False)]))
    assert told['a', 'b'] == PairVerdict('gain', 'loss', 'gain (exploratory)')
    assert told['b', 'a'] == PairVerdict('loss', 'gain', 'loss (exploratory)')


def test_the_mean_image_has_the_verdict_of_the_first_table(results, undecided):
    hidden = answers(results, stack_table(results), undecided).tables['hidden.csv']
    mean = hidden[hidden['score'] == MEAN]
    assert len(mean) and set(mean['verdict']) | set(mean['checkpoints_verdict']) == {'undecided'}
    assert 'gain' in set(hidden['verdict'])  # of other scores, which the first table has not


def test_where_the_way_of_scoring_decides_the_verdict_of_the_first_table_stands_beside(results, undecided):
    told = pair_verdicts(undecided[undecided['metric'] == DICE.name])
    found = audit(results)
    table = found.comparisons
    flip = table.assign(verdict=['gain' if way == table['way'].iloc[0] else 'loss' for way in table['way']])
    text = ways_answer(found._replace(comparisons=flip), LABELS, told)
    assert '“attention” against “baseline”, undecided in the first table, is a gain by ' in text
