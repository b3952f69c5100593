import numpy as np
import pandas as pd
import pytest
from simulated_teams import PIXELS, factorial, sums, world
from told_pairs import NUMBERS, told

from benchmarks.reports.effects_table import ALONE, BOTH, LAST, MAIN, PAIR, SHAPLEY, SUM, WITHOUT
from benchmarks.reports.effects_table import effects_table as table_of
from benchmarks.reports.stacking_answer import stacking_answer


def effects_table(results):
    return table_of(results, results.grid['equivalence_margin'])


def effect(table, kind, technique, partner=''):
    return table[(table['kind'] == kind) & (table['technique'] == technique) & (table['partner'] == partner)].iloc[0]


def test_a_full_factorial_gives_planted_effects_back():
    table = effects_table(world(sums(dict(a=1, b=2, c=-1), ab=-1.5), factorial('abc')))
    assert effect(table, PAIR, 'a', 'b')['value'] == pytest.approx(-1.5, abs=0.1)
    assert effect(table, PAIR, 'a', 'b')['verdict'] == 'loss' and effect(table, PAIR, 'a', 'b')['contexts'] == 2
    assert effect(table, PAIR, 'a', 'c')['verdict'] == 'equivalent'
    shares = {name: effect(table, SHAPLEY, name) for name in 'abc'}
    assert [shares[name]['value'] for name in 'abc'] == pytest.approx([0.25, 1.25, -1], abs=0.1)
    assert shares['a']['smallest'] == pytest.approx(-0.5, abs=0.1)
    assert shares['a']['largest'] == pytest.approx(1, abs=0.1)
    assert effect(table, SUM, 'a+b+c')['value'] == pytest.approx(-1.5, abs=0.1)


def test_an_effect_that_the_grid_compares_has_verdict_and_numbers_of_that_comparison():
    results = world(sums(dict(a=1, b=2)), factorial('ab'))
    table = table_of(results, 0.5, {('a', 'baseline'): told('undecided', 'gain')})
    verdicts = table.set_index(['kind', 'technique'])['verdict']
    assert verdicts[ALONE, 'a'] == 'undecided' and verdicts[ALONE, 'b'] == 'gain'
    assert verdicts[LAST, 'a'] == 'gain'
    numbers = effect(table, ALONE, 'a')[['value', 'low', 'high', 'p', 'p_corrected', 'n_seeds']]
    assert numbers.tolist() == [NUMBERS[name] for name in ('delta', 'low', 'high', 'p', 'p_corrected', 'n_seeds')]
    without = table_of(results, 0.5, {('a', 'baseline'): told('missing', 'missing', delta=np.nan)})
    assert effect(without, ALONE, 'a')['value'] == pytest.approx(1, abs=0.1)


def test_the_text_says_who_weakens_whom_and_what_adds_up():
    text = stacking_answer(effects_table(world(sums(dict(a=1, b=2, c=-1), ab=-1.5), factorial('abc'))), 0.5)
    assert 'The contributions sum to the gain of the whole stack, +0.5 points.' in text
    assert '`a` and `b` weaken each other: each gains 1.5 points less beside the other than without it, −1.5' in text
    assert 'Gains add up, within 0.5 percent points: `a` and `c`; `b` and `c`.' in text
    assert '`a+b+c` gains less than the sum of the techniques alone: diminishing returns, −1.6 [' in text
    assert '| `a` | +0.3 [' in text or '| `a` | +0.2 [' in text


def test_a_technique_is_redundant_beside_a_partner_that_does_its_work():
    results = world(lambda team: 70 + 3 * bool(team & {'a', 'b'}) + ('c' in team), factorial('abc'))
    table = effects_table(results)
    assert effect(table, LAST, 'a')['verdict'] == 'equivalent'
    assert effect(table, BOTH, 'a', 'b')['verdict'] == effect(table, WITHOUT, 'a', 'b')['verdict'] == 'gain'
    text = stacking_answer(table, 0.5)
    assert 'In `a+b+c`, `a` is redundant beside `b`: leaving it out changes less than 0.5' in text
    assert '`c` is redundant' not in text and 'redundant beside `c`' not in text


@pytest.mark.parametrize('seed', range(3))
def test_where_gains_add_up_no_interaction_is_shown(seed):
    gains = dict(zip('abcd', np.random.default_rng(seed).normal(0, 2, 4)))
    table = effects_table(world(sums(gains), factorial('abcd'), noise=0.3))
    assert not table.loc[table['kind'].isin((PAIR, SUM)), 'verdict'].isin(('gain', 'loss')).any()


def test_cumulative_leave_one_out_and_each_alone_give_estimated_shares():
    teams = ['', 'a', 'b', 'c', 'd', 'ab', 'abc', 'bcd', 'acd', 'abd', 'abcd']
    results = world(sums(dict(a=1, b=2, c=-1, d=0), ab=-2), [tuple(team) for team in teams])
    table = effects_table(results)
    share = effect(table, SHAPLEY, 'a')
    assert (share['contexts'], share['of_contexts']) == (3, 8)
    assert share['value'] == pytest.approx(np.mean([1, -1, -1]), abs=0.1)  # alone, beside b, and beside all
    assert 'estimated: each technique was measured beside 3 of 8 sets of the others' in stacking_answer(table, 0.5)


@pytest.mark.parametrize('teams', [('', 'a', 'b'), ('', 'a', 'ab', 'abc'), ('',), ()])
def test_rows_alone_or_one_upon_another_say_nothing_of_company(teams):
    table = effects_table(world(sums(dict(a=1, b=2, c=3)), [tuple(team) for team in teams] or [()]))
    assert table.empty and stacking_answer(table, 0.5) == ''


def test_a_condition_is_no_technique():
    teams = [(), ('a',), ('noise',), ('a', 'noise')]
    results = world(sums(dict(a=1, noise=-5)), teams, designs=('each_alone', 'each_alone@noise'))
    assert effects_table(results).empty
    assert not effects_table(world(sums(dict(a=1, noise=-5)), teams)).empty


def test_one_seed_shows_nothing_and_a_network_that_has_learned_nothing_is_not_tested():
    one = effects_table(world(sums(dict(a=1, b=2), ab=5), factorial('ab'), seeds=(0,)))
    assert set(one['verdict']) == {'undecided'} and one['p'].isna().all()
    results = world(sums(dict(a=1, b=2), ab=5), factorial('ab'))
    cell = results.counts.cells['a__seed0']
    background = np.zeros_like(cell.area)
    background[:, 0, 0] = PIXELS
    background[:, 1, 2] = PIXELS
    results.counts.cells['a__seed0'] = cell._replace(area=background)
    table = effects_table(results)
    assert effect(table, PAIR, 'a', 'b')['verdict'] == 'not learned'
    assert 'undecided' in stacking_answer(table, 0.5)


def test_columns_are_plain_text_and_numbers():
    table = effects_table(world(sums(dict(a=1, b=2)), factorial('ab')))
    assert table['stack'].map(type).eq(str).all() and isinstance(table, pd.DataFrame)


def test_a_fraction_gives_main_effects_and_says_what_it_does_not_tell_apart():
    teams = [team for team in factorial('abcd') if len(team) % 2 == 0]
    results = world(sums(dict(a=1, b=2, c=-1, d=0), ab=-2), teams)
    pairs = [['ab', 'cd'], ['ac', 'bd'], ['ad', 'bc']]
    results.grid['fractions'] = [
        dict(
            techniques=list('abcd'),
            resolution=4,
            rows=8,
            defining_words=[list('abcd')],
            aliases=[[list(pair) for pair in group] for group in pairs],
        )
    ]
    table = effects_table(results)
    assert [effect(table, MAIN, name)['value'] for name in 'abcd'] == pytest.approx([0, 1, -1, 0], abs=0.1)
    assert effect(table, PAIR, 'a', 'b')['value'] == pytest.approx(-2, abs=0.1)
    assert effect(table, PAIR, 'a', 'b')['aliases'] == 'c×d'
    text = stacking_answer(table, 0.5)
    assert '`a` and `b` weaken each other' in text and 'it is not told apart from c×d' in text
    assert '| `c` | −1.0 [' in text
    results.grid['rows'].pop()
    assert effects_table(results).empty  # a row of the fraction is missing


def test_intervals_hold_the_planted_effects_and_additive_worlds_have_no_interaction():
    gains, held, called = dict(a=1, b=2, c=-1), [], 0
    for draw in range(25):
        table = effects_table(world(sums(gains), factorial('abc'), noise=0.7, seeds=(0, 1, 2), draw=draw))
        pairs, shares = table[table['kind'] == PAIR], table[table['kind'] == SHAPLEY]
        held += [*((pairs['low'] <= 0) & (pairs['high'] >= 0))]
        planted = shares['technique'].map(gains)
        held += [*((shares['low'] <= planted) & (shares['high'] >= planted))]
        called += pairs['verdict'].isin(('gain', 'loss')).any()
    # 97 % and 2 % in 100 worlds of four techniques.
    assert np.mean(held) >= 0.92 and called <= 3


def test_effects_of_a_row_that_is_not_finished_are_open_and_those_of_a_failed_one_missing():
    results = world(sums(dict(a=1, b=2)), factorial('ab'))
    first = f'__seed{results.grid["seeds"][0]}'  # that one alone of the last row, and all others of the other rows
    lost = [name for name in results.counts.cells if name.startswith('a+b__') != name.endswith(first)]
    for name in lost:
        del results.counts.cells[name], results.records[name]
    assert effect(effects_table(results), PAIR, 'a', 'b')['verdict'] == 'missing'
    results.grid['open'] = dict(cells=lost, profiles=[])
    table = effects_table(results)
    assert effect(table, PAIR, 'a', 'b')['verdict'] == 'open' and not (table['verdict'] == 'missing').any()
    assert 'missing' not in stacking_answer(table, 0.5)
