import pytest

from benchmarks.reports.page.summary import summary
from benchmarks.reports.table import comparison_table, read_results, stack_table


@pytest.fixture(scope='module')
def tables(synthetic_out):
    results = read_results(synthetic_out)
    return results, stack_table(results), comparison_table(results)


def test_a_gain_within_twice_the_latency_is_named_with_its_cost(tables):
    results, stacks, comparisons = tables
    fast = stacks.assign(latency_ms_p50=[20.0, 30.0, 39.0])
    said = summary(results, fast, comparisons).costs
    assert said.startswith('Within twice the latency of “baseline” (20 ms), the largest shown gain is “+ loss” (+5.8')
    assert said.endswith('at 39 ms.')


def test_a_gain_that_costs_more_is_not_the_choice(tables):
    results, stacks, comparisons = tables
    slow = stacks.assign(latency_ms_p50=[20.0, 30.0, 41.0])
    assert 'no row is shown to gain over it, so it remains the choice' in summary(results, slow, comparisons).costs


def test_losses_are_told_the_largest_first_each_row_once(tables):
    results, stacks, comparisons = tables
    worse = comparisons.assign(delta=-comparisons['delta'], verdict=comparisons['verdict'].replace('gain', 'loss'))
    said = summary(results, stacks, worse)
    assert said.helps == 'No row is shown to gain Dice over its reference (2 rows compared).'
    assert said.costs.count('“+ loss” (−') == 1


def test_a_gain_that_nobody_asked_about_first_is_called_exploratory(tables):
    results, stacks, comparisons = tables
    said = summary(results, stacks, comparisons.assign(family='exploratory')).helps
    assert said.count('against “baseline”; exploratory)') == 1
    small = summary(results, stacks, comparisons.assign(family='primary', smaller_than_margin=True)).helps
    assert 'against “baseline”; smaller than the margin)' in small and 'exploratory' not in small


def test_of_a_distance_the_largest_gain_is_the_largest_fall(tables):
    results, stacks, comparisons = tables
    question = dict(metric='hd95_px', equivalence_margin=1.0, method='m', primary=[], n_results=0)
    falls = comparisons.assign(
        metric=comparisons['metric'].replace('dice', 'hd95_px'), delta=-comparisons['delta'].abs(), verdict='gain'
    )
    asked = results._replace(grid=results.grid | dict(questions=[question]))
    assert summary(asked, stacks, falls).helps.startswith('2 of 2 rows show a gain of HD95: “+ loss” (−5.8 px')


def test_what_is_undecided_is_named(tables):
    results, stacks, comparisons = tables
    said = summary(results, stacks, comparisons.assign(verdict='undecided')).open
    assert said.startswith(
        '2 of 2 rows have a comparison that is undecided, which does not mean equal: “+ attention”; “+ loss”.'
    )


def test_failed_cells_are_counted_by_folds_as_the_cells_are(tmp_path, folded_writer):
    results = read_results(folded_writer(tmp_path, n_folds=2, failed=['attention__seed1__fold0']))
    said = summary(results, stack_table(results), comparison_table(results)).open
    assert said.endswith('1 of 18 cells failed.')


def test_a_row_under_a_condition_is_no_answer(tables):
    results, stacks, comparisons = tables
    under = results._replace(grid=results.grid | dict(conditions=['loss']))
    assert 'No row is shown to gain Dice' in summary(under, stacks, comparisons).helps


def test_a_gain_over_the_rows_own_default_values_is_no_help_but_what_tuning_is_worth(tables):
    results, stacks, comparisons = tables
    tuned = comparisons.assign(
        design=[
            'tuning' if reference == 'attention' else design
            for design, reference in zip(comparisons['design'], comparisons['reference'])
        ]
    )
    assert (tuned['design'] == 'tuning').any()
    said = summary(results, stacks, tuned)
    assert said.helps.startswith('1 of 2 rows shows a gain of Dice: ')
    assert ' Tuning is worth +' in said.helps and said.helps.endswith('] to “+ attention”.')
