"""The row that the answer recommends."""

import pandas as pd
import pytest

from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.reports.choice import of_clean_rows, recommended
from benchmarks.reports.results import read_results
from benchmarks.reports.summary import summary
from benchmarks.reports.table import comparison_table, stack_table


@pytest.mark.parametrize('latency, stack', [(39.0, 'attention+loss'), (41.0, None)])
def test_the_largest_shown_gain_within_twice_the_latency_is_recommended(synthetic_out, latency, stack):
    results = read_results(synthetic_out)
    times = dict(zip(('baseline', 'attention', 'attention+loss'), (20.0, 45.0, latency)))
    profiles = {
        name: profile | dict(latency_ms=profile['latency_ms'] | dict(total=[times[name]] * 3))
        for name, profile in results.profiles.items()
    }
    assert recommended(results._replace(profiles=profiles)) == stack
    assert recommended(results._replace(profiles={})) is None
    assert recommended(results._replace(grid=results.grid | dict(comparisons=[]))) is None


def test_what_a_stack_gains_by_doing_without_a_technique_is_a_loss_by_it(synthetic_out):
    results = read_results(synthetic_out)
    comparisons = comparison_table(results)
    step = comparisons[(comparisons['metric'] == 'dice') & (comparisons['stack'] == 'attention+loss')].iloc[[0]]
    assert (step['reference'] == 'attention').all() and step['delta'].item() > 0
    left_out = step.assign(
        design='leave_one_out',
        stack='attention',
        reference='attention+loss',
        delta=-step['delta'],
        low=-step['high'],
        high=-step['low'],
        verdict='loss',
    )
    columns = ['stack', 'reference', 'delta', 'low', 'high', 'verdict']
    (alone, _), (both, _) = (
        of_clean_rows(results.grid, table, METRIC_OF['dice']) for table in (left_out, pd.concat([step, left_out]))
    )
    assert alone[columns].equals(step[columns])
    assert both['design'].tolist() == ['cumulative'] and both['left_out'].tolist() == ['']
    assert alone['left_out'].tolist() == ['loss']
    helps = summary(results, stack_table(results), left_out).helps
    assert 'gain of Dice: “loss” (+' in helps and 'within “+ loss”, against the same without' in helps
    none, _ = of_clean_rows(results.grid, comparisons.iloc[:0], METRIC_OF['dice'])
    assert none.empty
