"""One number has one interval, wherever it stands in a report."""

import numpy as np
import pytest
from simulated_teams import factorial, sums, world

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.resampling import half_width
from benchmarks.analysis.scores import SCORES
from benchmarks.analysis.stacking import interaction
from benchmarks.analysis.ways import DICE
from benchmarks.record import stack_name
from benchmarks.reports.effects_table import ALONE, PAIR, effects_table
from benchmarks.reports.results import looks_at
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
