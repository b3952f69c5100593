import pandas as pd
import pytest

from benchmarks.reports.results import read_results
from benchmarks.reports.summary import Summary, summary, summary_text
from benchmarks.reports.table import comparison_table, stack_table


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
    ).assign(family='primary')
    asked = results._replace(grid=results.grid | dict(questions=[question]))
    said = summary(asked, stacks, falls).helps
    assert said.startswith('2 of 2 compared rows show a gain of HD95: “+ loss” (−5.8 px')


def test_the_answer_to_the_question_stands_before_what_is_explored_beside_it(tables):
    results, stacks, comparisons = tables
    step = (comparisons['stack'] == 'attention+loss') & (comparisons['reference'] == 'attention')
    asked = comparisons.assign(family=['primary' if is_step else 'exploratory' for is_step in step])
    settled = summary(results, stacks, asked.assign(verdict=['gain' if is_step else 'undecided' for is_step in step]))
    assert settled.open.startswith(
        'The primary comparison is settled. 2 of 2 compared rows have an exploratory comparison that is undecided, '
        'which does not mean equal: “+ attention”; “+ loss”.'
    )
    both_lose = summary(results, stacks, asked.assign(verdict='loss')).costs
    lost = both_lose.split('Shown to lose: ')[1]
    assert lost.startswith('“+ loss” (') and lost.index('against “+ attention”);') < lost.index('“+ attention” (')
    assert lost.count('“+ loss” (') == 1, 'the primary number of a row stands for it'
    both_gain = summary(results, stacks, asked.assign(verdict='gain')).helps
    assert 'show a gain of Dice: “+ loss” (+' in both_gain and 'against “+ attention”);' in both_gain


def test_the_question_names_what_is_not_settled(tables):
    results, stacks, comparisons = tables
    said = summary(results, stacks, comparisons.assign(family='primary', verdict='undecided')).open
    assert said.startswith(
        '0 of 3 primary comparisons are settled. Undecided, which does not mean equal: “+ attention” against '
        '“baseline”; “+ loss” against “+ attention”; “+ loss” against “baseline”.'
    )
    assert 'exploratory' not in said
    both = comparisons.assign(verdict='undecided')
    of_both = summary(results, stacks, both).open
    assert of_both.startswith('0 of 2 primary comparisons are settled. Undecided, which does not mean equal: ')
    assert ' 1 of 2 compared rows has an exploratory comparison that is undecided: “+ loss”.' in of_both
    decided = summary(results, stacks, both.assign(verdict='equivalent')).open
    assert decided.startswith('All 2 primary comparisons are settled. No exploratory comparison is undecided.')
    assert 'settled' not in summary(results, stacks, both.assign(family='exploratory')).open


def undecided(comparisons, **columns):
    """The comparisons, all undecided, with a forecast for each of their pairs in the order of the grid."""
    dice = comparisons['metric'] == 'dice'
    nothing = dict(limited_by='', seeds_to_decide=pd.NA, seeds_to_decide_low=pd.NA, seeds_to_decide_high=pd.NA)
    changed = comparisons.assign(verdict='undecided', family='primary', n_seeds=3, times_groups_to_decide=float('nan'))
    changed = changed.assign(**nothing)[dice].drop_duplicates(['stack', 'reference'])
    return changed.assign(**columns)


def test_the_comparison_nearest_to_a_decision_is_named_with_its_seeds_and_their_command(tables):
    results, stacks, comparisons = tables
    pairs = undecided(comparisons)
    assert list(zip(pairs['stack'], pairs['reference'])) == [
        ('attention', 'baseline'),
        ('attention+loss', 'attention'),
        ('attention+loss', 'baseline'),
    ]
    seeds = dict(limited_by=['seeds', 'seeds', 'groups'], seeds_to_decide=[9, 5, pd.NA])
    said = summary(results, stacks, undecided(comparisons, **seeds))
    assert 'Nearest to a decision is “+ loss” (+' in said.open and 'against “+ attention”): at this diff' in said.open
    assert said.open.endswith(
        'about 5 seeds would decide; it has 3 seeds. This command adds seeds until primary comparisons are '
        'decided, and allows for this look:'
    )
    assert said.command == f'{results.grid["command"]} --until-decided --seeds 10'
    far = summary(results, stacks, undecided(comparisons, limited_by='seeds', seeds_to_decide=[19, 15, 17]))
    assert far.command == f'{results.grid["command"]} --until-decided --seeds 15'
    asked_later = undecided(comparisons, **seeds).assign(family='exploratory')
    said = summary(results, stacks, asked_later)
    assert said.open.endswith('it has 3 seeds. This command gives the others:')
    assert said.command == f'{results.grid["command"]} --seeds 5'
    queued = results._replace(grid=results.grid | dict(command='python run_ablation.py --launcher slurm'))
    assert summary(queued, stacks, undecided(comparisons, **seeds)).command.endswith('--launcher slurm --seeds 5')


def test_of_equal_forecasts_the_one_that_reaches_least_far_up_is_the_nearest(tables):
    results, stacks, comparisons = tables
    seeds = dict(limited_by='seeds', seeds_to_decide=5, seeds_to_decide_low=4)
    said = summary(results, stacks, undecided(comparisons, **seeds, seeds_to_decide_high=[pd.NA, 9, 6]))
    assert 'against “baseline”): at this difference about 5 seeds (from 4 to 6) would decide' in said.open
    tied = undecided(comparisons, **seeds, seeds_to_decide_high=6).assign(family=['exploratory'] * 2 + ['primary'])
    assert 'Nearest to a decision is “+ loss” (+5.8' in summary(results, stacks, tied).open


def test_failed_seeds_are_made_up_for(tables):
    results, stacks, comparisons = tables
    seeds = dict(limited_by=['seeds', '', ''], seeds_to_decide=[3, pd.NA, pd.NA], n_seeds=2)
    said = summary(results, stacks, undecided(comparisons, **seeds).assign(family='exploratory'))
    assert 'about 3 seeds would decide; it has 2 seeds.' in said.open and said.command.endswith(' --seeds 4')
    lost = summary(results, stacks, undecided(comparisons, seeds_covered=False))
    assert 'One seed decides nothing' not in lost.open and lost.command == ''


def test_where_no_seeds_decide_the_answer_says_what_would(tables):
    results, stacks, comparisons = tables
    groups = dict(limited_by='groups', times_groups_to_decide=[float('nan'), 3.5, 1.6])
    said = summary(results, stacks, undecided(comparisons, **groups))
    none, nearest = said.open.split('None of them is forecast to be decided by ')[1].split(' Nearest to a decision is ')
    assert none == '100 seeds or fewer.' and nearest.startswith('“+ loss” (+5.8 points')
    assert nearest.endswith(
        'against “baseline”): at this difference about 1.6 times as many test groups would decide, more seeds alone '
        'would not.'
    )
    assert said.command == ''


def test_one_seed_has_no_forecast_and_a_command_for_more(tables):
    results, stacks, comparisons = tables
    command = 'python run_ablation.py "my grid.py" --seeds 1 --tune'
    one = results._replace(grid=results.grid | dict(command=command, seeds=[0]))
    said = summary(one, stacks, undecided(comparisons, seeds_covered=False))
    assert said.open.endswith(
        'One seed decides nothing for other trainings. This command gives 3, and then a forecast:'
    )
    assert said.command == "python run_ablation.py 'my grid.py' --tune --seeds 3"
    assert summary(one, stacks, undecided(comparisons, seeds_covered=True)).command == ''


def test_where_seeds_are_spent_until_decided_a_primary_comparison_is_the_nearest(tables):
    results, stacks, comparisons = tables
    command = 'python run_ablation.py my_grid.py --until-decided --budget 2h --seeds=6'
    asked = [dict(metric='dice', looks=dict(seeds=[2, 3, 4, 5, 6]))]
    looked = results._replace(grid=results.grid | dict(command=command, looks=[{}], questions=asked))
    seeds = dict(limited_by='seeds', seeds_to_decide=[4, 6, 9])
    pairs = undecided(comparisons, **seeds).assign(family=['exploratory', 'primary', 'primary'])
    assert summary(looked, stacks, pairs).command == command  # its last look was not taken: it goes on
    pairs['seeds_to_decide'] = [4, 8, 9]
    beyond = summary(looked, stacks, pairs)
    assert beyond.open.endswith('The looks that were planned end at 6 seeds; more would be a new question.')
    assert beyond.command == ''
    none = summary(looked, stacks, pairs.assign(limited_by=['seeds', 'groups', 'groups'], seeds_to_decide=pd.NA))
    assert 'No primary comparison is forecast to be decided by 100 seeds or fewer.' in none.open
    assert 'Nearest' not in summary(looked, stacks, pairs.assign(family='exploratory')).open


def test_while_planned_seeds_are_to_come_nothing_is_forecast(tables):
    results, stacks, comparisons = tables
    going_on = results._replace(grid=results.grid | dict(open=dict(cells=['attention__seed2'], profiles=[])))
    said = summary(going_on, stacks, undecided(comparisons, limited_by='seeds', seeds_to_decide=5))
    assert 'Nearest' not in said.open and said.command == ''


def test_latencies_of_a_busy_machine_are_a_caution_where_they_are_compared(tables):
    results, stacks, comparisons = tables
    fast = stacks.assign(latency_ms_p50=[20.0, 30.0, 39.0])
    assert 'busy' not in summary(results, fast, comparisons).costs
    said = summary(results, fast.assign(machine_busy=['', '2.0 cores', '']), comparisons).costs
    assert ' at 39 ms. The machine was busy while 1 of 3 latencies was measured, so this may be otherwise; ' in said
    slow = stacks.assign(latency_ms_p50=[20.0, 50.0, 50.0], machine_busy='2.0 cores')
    said = summary(results, slow, comparisons).costs
    assert 'so it remains the choice. The machine was busy while each of these latencies was measured, so' in said
    assert 'with --reprofile.' in said


def test_failed_cells_are_counted_by_folds_as_the_cells_are(tmp_path, folded_writer):
    results = read_results(folded_writer(tmp_path, n_folds=2, failed=['attention__seed1__fold0']))
    said = summary(results, stack_table(results), comparison_table(results)).open
    assert '1 of 18 cells failed.' in said


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
    assert said.helps.startswith('1 of 2 compared rows shows a gain of Dice: ')
    assert ' Tuning is worth +' in said.helps and said.helps.endswith('] to “+ attention”.')


def test_the_answer_as_text_ends_with_the_command_if_there_is_one():
    assert summary_text(Summary('h.', 'c.', 'o. Run:', 'python x')) == (
        '- **What helps**: h.\n- **What it costs**: c.\n- **What is open**: o. Run: `python x`'
    )
    assert summary_text(Summary('h.', 'c.', 'o.')).endswith('- **What is open**: o.')


def test_pairs_without_a_verdict_are_not_called_decided(tables):
    results, stacks, comparisons = tables
    said = summary(results, stacks, comparisons.assign(verdict='not learned')).open
    assert said.startswith(
        '0 of 2 primary comparisons are settled. Without a verdict, because a network has learned nothing or '
    )
    assert 'an exploratory comparison that is without a verdict: ' in said
    assert 'comparison is undecided' not in said


def test_rows_on_changed_images_are_said_not_to_count(tables):
    results, stacks, comparisons = tables
    changed = results._replace(grid=results.grid | dict(conditions=['loss']))
    assert ' 1 row under conditions is not counted here.' in summary(changed, stacks, comparisons).helps
    assert 'under conditions' not in summary(results, stacks, comparisons).helps


def test_the_largest_gain_of_these_networks_alone_is_named_as_open(tables):
    results, stacks, comparisons = tables
    own = comparisons.assign(verdict='undecided', checkpoints_verdict='gain')
    said = summary(results, stacks, own).helps
    assert ' Open for other trainings, and a gain of these networks: “+ loss” (+5.8' in said
    assert said.count('a gain of these networks') == 1 and 'against “baseline”' in said
    none = summary(results, stacks, own.assign(checkpoints_verdict='undecided')).helps
    assert 'these networks' not in none
