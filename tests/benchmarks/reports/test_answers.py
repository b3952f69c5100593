import pytest

from benchmarks.record import CONTROL_DESIGN
from benchmarks.reports.answers import answers
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table


def answered(results):
    return answers(results, stack_table(results), comparison_table(results))


@pytest.fixture
def results(synthetic_writer, tmp_path):
    return read_results(synthetic_writer(tmp_path, failed=()))


def test_each_question_with_an_answer_has_a_section_and_a_table(results):
    found = answered(results)
    assert found.text.startswith('## What the grid answers\n\n### ')
    assert {name for name, table in found.tables.items() if len(table)} == {
        'speed.csv',
        'strata.csv',
        'hidden.csv',
        'ways.csv',
        'ways_ranks.csv',
    }


def test_a_grid_of_one_row_gets_no_section(results):
    results.grid['rows'] = results.grid['rows'][:1]
    results.grid['comparisons'] = []
    found = answered(results)
    assert found.text == '' and len(found.tables['speed.csv']) == len(found.tables['strata.csv']) == 0


def test_where_a_known_harm_does_not_show_no_stratum_is_equivalent(results):
    before = answered(results).tables['strata.csv']
    assert (before['verdict'] == 'equivalent').any()
    results.grid['comparisons'].append(dict(design=CONTROL_DESIGN, stack='attention', reference='baseline'))
    after = answered(results).tables['strata.csv']
    assert not (after[['verdict', 'more_verdict', 'checkpoints_verdict']] == 'equivalent').any().any()
    assert (after['verdict'].eq('gain') == before['verdict'].eq('gain')).all()
