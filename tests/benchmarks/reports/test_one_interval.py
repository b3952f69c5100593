"""One number has one interval, wherever it stands in a report."""

import numpy as np
import pytest
from simulated_teams import factorial, sums, world

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.resampling import half_width
from benchmarks.analysis.scores import SCORES
from benchmarks.analysis.stacking import interaction
from benchmarks.analysis.ways import DICE, WAYS
from benchmarks.record import stack_name
from benchmarks.reports.effects_table import ALONE, LAST, PAIR, effects_table
from benchmarks.reports.hidden_table import MEAN, hidden_table
from benchmarks.reports.pair_verdicts import pair_verdicts
from benchmarks.reports.results import contrasts_of, looks_at
from benchmarks.reports.strata_table import CONDITION, strata_table
from benchmarks.reports.table import comparison_table
from benchmarks.reports.ways_table import audit

INTERVAL = ['low', 'high']


@pytest.fixture(scope='module', params=['fixed seeds', 'until decided'])
def results(request):
    """All subsets of two techniques that train anew and a view, clean and under noise: 16 rows, 3 seeds.

    Of the grid that is run until decided this is the second of four looks.
    """
    teams = factorial('abv')
    noisy = [(*team, 'noise') for team in teams]
    found = world(sums(dict(a=3.0, b=0.2, v=0.4, noise=-9.0)), [*teams, *noisy], noise=0.4, seeds=(0, 1, 2))
    for cell, record in found.records.items():
        trained = '+'.join(sorted(set(cell.partition('__')[0].split('+')) - {'v', 'noise', 'baseline'}))
        record['keys'] = dict(train=f'{trained} {cell.partition("__")[2]}')
    stacks = ['+'.join(team) for team in teams if team]
    found.grid['comparisons'] = [dict(design='factorial', stack=stack, reference='baseline') for stack in stacks]
    found.grid['comparisons'] += [
        dict(design='factorial@noise', stack=f'{stack}+noise', reference='noise') for stack in stacks
    ]
    if request.param == 'until decided':
        rows = [row['stack'] for row in found.grid['rows']]
        looks = dict(seeds=[2, 3, 4, 5], followed=rows)
        found.grid['questions'] = [dict(primary=[], metric='dice', equivalence_margin=0.5, looks=looks)]
        found.grid['looks'] = [dict.fromkeys(rows, number) for number in (2, 3)]
    return found


@pytest.fixture(scope='module')
def compared(results):
    table = comparison_table(results)
    table = table[table['metric'] == 'dice'].set_index(['stack', 'reference'])
    assert (table['lenders'] == 4).sum() == 12  # all but the view alone, which few others share a training with
    return table


def test_a_gain_alone_is_the_comparison_with_the_baseline(results, compared):
    effects = effects_table(results, 0.5)
    alone = effects[effects['kind'] == ALONE].set_index('technique')
    assert len(alone) == 3
    for name, row in alone.iterrows():
        np.testing.assert_allclose(
            row[INTERVAL].astype(float), compared.loc[(name, 'baseline'), INTERVAL].astype(float)
        )


def test_a_gain_by_dice_is_the_same_in_the_audit_of_scoring(results, compared):
    ways = audit(results).comparisons
    ways = ways[ways['way'] == DICE].set_index(['stack', 'reference'])
    np.testing.assert_allclose(ways.loc[compared.index, INTERVAL], compared[INTERVAL].astype(float))


def test_a_gain_on_clean_images_is_the_comparison_with_the_reference(results, compared):
    strata = strata_table(results, 0.5)
    clean = strata[(strata['by'] == CONDITION) & (strata['stratum'] == 'clean images')].set_index('stack')
    assert len(clean) == 7
    for name, row in clean.iterrows():
        np.testing.assert_allclose(
            row[INTERVAL].astype(float), compared.loc[(name, 'baseline'), INTERVAL].astype(float)
        )


def test_effects_in_company_borrow_too(results):
    """With three seeds the interval of an interaction by its own seeds has two degrees of freedom."""
    weights = interaction({frozenset(team) for team in factorial('abv')}, 'a', 'b')
    by_stack = {stack_name(sorted(team)): weight for team, weight in weights.items()}
    own = Contrasts(SCORES['dice'], results.counts, [0, 1, 2], np.array([1])).estimate(by_stack)
    effects = effects_table(results, 0.5)
    row = effects[(effects['kind'] == PAIR) & (effects['technique'] == 'a') & (effects['partner'] == 'b')].iloc[0]
    assert row['value'] == pytest.approx(float(own.value))
    level = looks_at(results, [by_stack])[0].level
    assert row['high'] - row['low'] < 0.9 * 2 * float(half_width(own, level))


@pytest.fixture(scope='module')
def unequal():
    """A grid that was run until decided, at its third look: a row that is settled, and two rows with fewer seeds.

    The comparison of ``a`` is settled at three seeds, though the row has four by now. Row ``b`` has three seeds, and is
    judged at the second look. What the other rows show in their fourth seed is lent at the third look alone.
    """
    teams = factorial('abc')
    found = world(sums(dict(a=8.0, b=0.2, c=0.4)), teams, noise=0.3, seeds=(0, 1, 2, 3))
    n_seeds = {'baseline': 4, 'a': 4, 'b': 3, 'c': 2} | dict.fromkeys(('a+b', 'a+c', 'b+c', 'a+b+c'), 4)
    for cell in list(found.records):
        stack, _, seed = cell.partition('__seed')
        found.records[cell]['keys'] = dict(train=cell)
        if int(seed) >= n_seeds[stack]:
            del found.records[cell], found.counts.cells[cell]
    rows = found.grid['rows']
    for row in rows:
        row['seeds'] = list(range(n_seeds[row['stack']]))
    stacks = [row['stack'] for row in rows[1:]]
    found.grid['comparisons'] = [dict(design='factorial', stack=stack, reference='baseline') for stack in stacks]
    found.grid['comparisons'] += [dict(design='leave_one_out', stack='b+c', reference='a+b+c')]
    followed = [stack for stack, number in n_seeds.items() if number > 2]
    looks = dict(seeds=[2, 3, 4, 5], followed=followed)
    primary = [['a', 'baseline'], ['b', 'baseline']]
    found.grid['questions'] = [dict(primary=primary, metric='dice', equivalence_margin=0.5, looks=looks)]
    found.grid['looks'] = [{stack: min(most, number) for stack, number in n_seeds.items()} for most in (2, 3, 4)]
    return found


@pytest.fixture(scope='module')
def told_unequal(unequal):
    table = comparison_table(unequal)
    dice = table[table['metric'] == 'dice'].set_index(['stack', 'reference'])
    assert dice.loc[[('a', 'baseline'), ('b', 'baseline'), ('c', 'baseline')], 'n_seeds'].tolist() == [3, 3, 2]
    assert dice.loc[('a', 'baseline'), 'verdict'] == 'gain' and dice.loc[('b', 'baseline'), 'verdict'] == 'undecided'
    return table


def by_metrics(table):
    return {name: pair_verdicts(table[table['metric'] == name]) for name in table['metric'].unique()}


def of_dice(table):
    return table[table['metric'] == 'dice'].set_index(['stack', 'reference'])


def test_with_rows_of_unequal_seeds_sections_would_find_other_intervals(unequal, told_unequal):
    """What the next tests show is not so by itself."""
    ways = audit(unequal).comparisons
    own, want = ways[ways['way'] == DICE].set_index(['stack', 'reference']), of_dice(told_unequal)
    for pair in (('a', 'baseline'), ('b', 'baseline')):
        assert abs(own.loc[pair, 'low'] - want.loc[pair, 'low']) > 0.05


def test_with_rows_of_unequal_seeds_the_audit_has_the_comparisons(unequal, told_unequal):
    ways = audit(unequal, by_metrics(told_unequal)).comparisons
    metric_of = {way: of.metric for way, of in WAYS.items()}
    ends = ['delta', *INTERVAL, 'n_seeds']
    compared_by = [way for way in ways['way'].unique() if metric_of[way] in set(told_unequal['metric'])]
    assert DICE in compared_by and len(compared_by) > 1
    for way in compared_by:
        found = ways[ways['way'] == way].set_index(['stack', 'reference'])
        of_metric = told_unequal[told_unequal['metric'] == metric_of[way]].set_index(['stack', 'reference'])
        assert len(found) == 8
        np.testing.assert_array_equal(found[ends].astype(float), of_metric.loc[found.index, ends].astype(float))
        assert found['verdict'].tolist() == of_metric.loc[found.index, 'verdict'].tolist()


def test_with_rows_of_unequal_seeds_the_mean_image_has_the_comparisons(unequal, told_unequal):
    hidden = hidden_table(unequal, 0.5, by_metrics(told_unequal)['dice'])
    mean = hidden[hidden['score'] == MEAN].set_index(['stack', 'reference'])
    want, ends = (
        of_dice(told_unequal),
        ['delta', *INTERVAL, 'checkpoints_low', 'checkpoints_high', 'n_seeds', 'lenders'],
    )
    assert len(mean) == 8
    np.testing.assert_array_equal(mean[ends].astype(float), want.loc[mean.index, ends].astype(float))


def test_with_rows_of_unequal_seeds_effects_have_the_comparisons(unequal, told_unequal):
    effects = effects_table(unequal, 0.5, by_metrics(told_unequal)['dice'])
    want, ends = of_dice(told_unequal), ['p', 'p_corrected', 'n_seeds']
    alone = effects[effects['kind'] == ALONE].set_index('technique')
    for name in 'abc':
        of_pair = want.loc[(name, 'baseline')]
        assert alone.loc[name, ['value', *INTERVAL, *ends]].tolist() == of_pair[['delta', *INTERVAL, *ends]].tolist()
    last = effects[(effects['kind'] == LAST) & (effects['technique'] == 'a')].iloc[0]
    turned = want.loc[('b+c', 'a+b+c')]
    assert last[['value', *INTERVAL]].tolist() == (-turned[['delta', 'high', 'low']]).tolist()


def test_equal_counts_differ_by_exactly_0(unequal):
    """``b`` changes nothing beside ``a``."""
    cells = dict(unequal.counts.cells)
    cells |= {f'a+b__seed{seed}': cells[f'a__seed{seed}'] for seed in range(4)}
    comparisons = [*unequal.grid['comparisons'], dict(design='leave_one_out', stack='a', reference='a+b')]
    equal = unequal._replace(
        counts=unequal.counts._replace(cells=cells), grid=unequal.grid | dict(comparisons=comparisons)
    )
    table = comparison_table(equal)
    ways = audit(equal, by_metrics(table)).comparisons.set_index(['stack', 'reference']).loc[[('a', 'a+b')]]
    assert ways['way'].nunique() > 5 and not ways[['delta', *INTERVAL]].to_numpy().any()
    # Also where the grid does not compare them.
    not_compared = equal._replace(grid=equal.grid | dict(comparisons=comparisons[:-1]))
    contrasts = contrasts_of(not_compared, SCORES['dice'])
    for weights in ({'a+b': 1.0, 'a': -1.0}, {'a+b': 0.25, 'a': -0.25, 'b+c': 0.0}):
        est = contrasts.estimate(weights)
        assert est.value == est.variance_seeds == est.variance_groups == est.lenders == 0
    assert contrasts.estimate({'a+b': 1.0, 'a+c': -1.0}).lenders
