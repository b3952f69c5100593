"""The cells of the page's improvement table."""

import pandas as pd
import pytest

from benchmarks.analysis.metrics import DICE
from benchmarks.reports.page.row_table import TIMES, row_columns
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table


@pytest.fixture(scope='module')
def tables(synthetic_out):
    results = read_results(synthetic_out)
    return stack_table(results), comparison_table(results)


def columns(stacks, comparisons):
    return {(one.kind, one.metric): one for one in row_columns(stacks, comparisons, pd.DataFrame(), DICE)}


def test_a_latency_is_told_as_a_multiple_of_the_baselines(tables):
    stacks, comparisons = tables
    found = columns(stacks.assign(latency_ms_p50=[20.0, 39.98, 300.0], machine_busy=['', 'load', '']), comparisons)
    assert [cell.text for cell in found[TIMES, ''].cells] == ['1.00×', '2.00×', '15×']
    assert [cell.said for cell in found[TIMES, ''].cells] == ['', '(machine busy)', '']
    assert found[TIMES, ''].shown and found[TIMES, ''].cells[1].order == pytest.approx(1.999)


@pytest.mark.parametrize('latency', [[float('nan'), 30.0, 40.0], [float('nan')] * 3])
def test_without_the_baselines_latency_there_is_no_such_column(tables, latency):
    stacks, comparisons = tables
    assert (TIMES, '') not in columns(stacks.assign(latency_ms_p50=latency), comparisons)
    assert (TIMES, '') not in columns(stacks.iloc[1:], comparisons)


def test_a_verdict_says_what_these_checkpoints_show_as_the_text_does(tables):
    stacks, comparisons = tables
    open_ones = comparisons.assign(verdict='undecided', checkpoints_verdict='gain')
    cell = columns(stacks, open_ones)['Δ baseline', 'dice'].cells[1]
    assert cell.said == 'undecided (these checkpoints: gain)' and cell.verdict == 'undecided'
    assert cell.text.startswith('+') and ',\u00a0+' in cell.text  # the interval stays in one line
