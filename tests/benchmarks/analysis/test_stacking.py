from itertools import combinations, permutations

import numpy as np
import pytest

from benchmarks.analysis.stacking import (
    beyond_the_sum,
    column,
    contexts,
    fraction_teams,
    full_teams,
    interaction,
    is_full,
    main_effect,
    marginal,
    pairs_in_context,
    shapley,
    with_and_without,
)

PLAYERS = 'abcd'
EMPTY = frozenset()


def subsets(players):
    return [frozenset(team) for n in range(len(players) + 1) for team in combinations(players, n)]


ALL = subsets(PLAYERS)


def value(weights, world):
    return sum(weight * world[team] for team, weight in weights.items())


def random_world(seed):
    return dict(zip(ALL, np.random.default_rng(seed).normal(80, 3, len(ALL))))


def additive_world(seed):
    gains = dict(zip(PLAYERS, np.random.default_rng(seed).normal(0, 2, len(PLAYERS))))
    return {team: 80 + sum(gains[name] for name in team) for team in ALL}, gains


@pytest.mark.parametrize('seed', range(5))
def test_shapley_values_are_the_mean_gain_over_all_orders_and_sum_to_the_total(seed):
    world = random_world(seed)
    for name in PLAYERS:
        gains = []
        for order in permutations(PLAYERS):
            before = frozenset(order[: order.index(name)])
            gains.append(world[before | {name}] - world[before])
        assert value(shapley(ALL, name), world) == pytest.approx(np.mean(gains))
    total = sum(value(shapley(ALL, name), world) for name in PLAYERS)
    assert total == pytest.approx(world[frozenset(PLAYERS)] - world[EMPTY])
    assert is_full(ALL, frozenset(PLAYERS)) and not is_full(ALL[:-1], frozenset(PLAYERS))


def test_shapley_values_of_a_part_of_the_subsets_weigh_each_size_alike():
    full = frozenset(PLAYERS)
    teams = [EMPTY, *map(frozenset, PLAYERS), *(full - {name} for name in PLAYERS), full]
    world = random_world(0)
    first, last = world[frozenset('a')] - world[EMPTY], world[full] - world[full - {'a'}]
    assert value(shapley(teams, 'a'), world) == pytest.approx((first + last) / 2)


@pytest.mark.parametrize('seed', range(3))
def test_in_an_additive_world_nothing_interacts(seed):
    world, gains = additive_world(seed)
    for one, other in combinations(PLAYERS, 2):
        assert value(interaction(ALL, one, other), world) == pytest.approx(0, abs=1e-9)
    for team in ALL:
        assert value(beyond_the_sum(ALL, team), world) == pytest.approx(0, abs=1e-9)
    for name in PLAYERS:
        assert value(main_effect(ALL, name), world) == pytest.approx(gains[name])
        assert value(shapley(ALL, name), world) == pytest.approx(gains[name])


@pytest.mark.parametrize('planted', [1.5, -1.5])
def test_a_planted_interaction_has_its_sign_and_size_and_no_other_pair_has_it(planted):
    world, _ = additive_world(1)
    world = {team: score + planted * ({'a', 'b'} <= team) for team, score in world.items()}
    found = {pair: value(interaction(ALL, *pair), world) for pair in combinations(PLAYERS, 2)}
    assert found.pop(('a', 'b')) == pytest.approx(planted)
    assert np.allclose(list(found.values()), 0)
    assert value(beyond_the_sum(ALL, frozenset('abc')), world) == pytest.approx(planted)


def test_effects_are_those_of_the_contrast_columns_of_a_full_factorial():
    world = random_world(7)
    sign = {name: np.array([1 if name in team else -1 for team in ALL]) for name in PLAYERS}
    scores = np.array([world[team] for team in ALL])
    assert value(main_effect(ALL, 'a'), world) == pytest.approx((sign['a'] * scores).sum() / 8)
    # Half of it is the classical interaction, the difference of two means of eight.
    assert value(interaction(ALL, 'a', 'b'), world) == pytest.approx((sign['a'] * sign['b'] * scores).sum() / 4)


def test_contexts_are_those_that_were_measured():
    chain = [EMPTY, frozenset('a'), frozenset('ab'), frozenset('abc')]
    assert contexts(chain, 'b') == [frozenset('a')] and contexts(chain, 'a', 'b') == []
    assert interaction(chain, 'a', 'b') == {} and beyond_the_sum(chain, frozenset('ab')) == {}
    assert main_effect(chain, 'c') == marginal(frozenset('ab'), 'c')
    assert contexts([*chain, frozenset('b')], 'a', 'b') == [EMPTY]


@pytest.mark.parametrize('seed', range(20))
def test_the_index_of_teams_finds_what_a_scan_of_all_teams_finds(seed):
    rng = np.random.default_rng(seed)
    teams = [team for team in subsets('abcdef') if rng.random() < rng.choice([0.3, 0.6, 0.9])]
    among, names = with_and_without(teams), sorted(frozenset().union(*teams))
    assert sorted(among) == names
    assert all(contexts(among[name], name) == contexts(teams, name) for name in names)
    pairs = [pair for pair in combinations(names, 2) if contexts(teams, *pair)]
    assert pairs_in_context(teams) == pairs
    for pair in pairs:
        assert contexts(among[pair[0]], *pair) == contexts(among[pair[1]], *pair) == contexts(teams, *pair)
    contained = [team for team in teams if any(team < other for other in teams)]
    assert set(full_teams(teams)) == {team for team in teams if len(team) > 1} - set(contained)


def test_a_technique_that_was_added_to_one_team_has_two_teams_to_look_through():
    each_alone = [EMPTY, *(frozenset([f't{i}']) for i in range(500))]
    assert all(among == {EMPTY, frozenset([name])} for name, among in with_and_without(each_alone).items())
    assert pairs_in_context(each_alone) == []


def test_full_teams_are_contained_in_no_other():
    teams = [EMPTY, frozenset('a'), frozenset('ab'), frozenset('abc'), frozenset('cd')]
    assert full_teams(teams) == [frozenset('abc'), frozenset('cd')]


def test_the_contrasts_of_a_full_factorial_are_its_effects():
    world = random_world(3)
    assert value(column(ALL, 'b'), world) == pytest.approx(value(main_effect(ALL, 'b'), world))
    assert value(column(ALL, 'b', 'd'), world) == pytest.approx(value(interaction(ALL, 'b', 'd'), world))


def test_in_a_fraction_an_effect_is_the_sum_of_its_aliases():
    rows = fraction_teams(ALL, PLAYERS, ['abcd'])
    assert rows == {team for team in ALL if len(team) % 2 == 0}
    world, gains = additive_world(2)
    for name in PLAYERS:
        assert value(column(rows, name), world) == pytest.approx(gains[name])
    world = {team: score + 2 * ({'a', 'b'} <= team) - 3 * ({'c', 'd'} <= team) for team, score in world.items()}
    assert value(column(rows, 'a', 'b'), world) == pytest.approx(2 - 3)
    assert value(column(rows, 'a', 'c'), world) == pytest.approx(0)
