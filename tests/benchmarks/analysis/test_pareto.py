import numpy as np
import pytest

from benchmarks.analysis.pareto import cheapest_within, equal_by_noise, on_front, pareto_front, volume


def random_stacks(seed, n=9):
    rng = np.random.default_rng(seed)
    return np.round(rng.uniform(10, 20, n)), np.round(rng.uniform(70, 80, n))  # whole numbers, so that some are equal


@pytest.mark.parametrize('seed', range(10))
def test_the_front_is_that_of_the_figure(seed):
    cost, score = random_stacks(seed)
    assert np.flatnonzero(on_front(cost, score)).tolist() == sorted(pareto_front(cost, score).tolist())


def test_a_stack_is_on_the_front_unless_one_of_all_others_beats_it():
    rng = np.random.default_rng(0)
    cost, score = rng.integers(0, 6, (2, 200, 8)).astype(float)  # few values, so that many are equal in one or in both
    no_worse = (cost[:, :, None] <= cost[:, None]) & (score[:, :, None] >= score[:, None])  # [draw, i, j]: i against j
    better = (cost[:, :, None] < cost[:, None]) | (score[:, :, None] > score[:, None])
    assert np.array_equal(on_front(cost, score), ~(no_worse & better).any(axis=1))


def test_many_draws_are_judged_one_by_one():
    draws = [random_stacks(seed) for seed in range(5)]
    cost, score = (np.array(side) for side in zip(*draws))
    assert np.array_equal(on_front(cost, score), [on_front(*draw) for draw in draws])
    assert np.array_equal(cheapest_within(cost, score, 2), [cheapest_within(*draw, 2) for draw in draws])
    assert np.allclose(volume(cost, score, (25, 65)), [volume(*draw, (25, 65)) for draw in draws])


def test_cheapest_within_a_margin_by_hand():
    cost, score = np.array([10.0, 10.0, 20.0, 30.0]), np.array([79.0, 79.4, 79.6, 80.0])
    assert [int(cheapest_within(cost, score, margin)) for margin in (0, 0.5, 0.7, 5)] == [3, 2, 1, 1]


@pytest.mark.parametrize('seed', range(5))
def test_the_volume_is_the_area_that_the_front_dominates(seed):
    cost, score = random_stacks(seed)
    budgets = np.linspace(np.log2(8), np.log2(18), 20_001)
    best = np.array([score[np.log2(cost) <= budget].max(initial=0) for budget in budgets])
    area = np.maximum(best - 72, 0).mean() * (budgets[-1] - budgets[0])
    assert float(volume(cost, score, (18.0, 72.0))) == pytest.approx(area, abs=0.01)


def test_a_stack_beyond_the_reference_adds_nothing():
    assert float(volume(np.array([50.0, 10.0]), np.array([99.0, 70.0]), (40.0, 80.0))) == 0


def test_pareto_front_by_hand():
    #                       fast   beaten  slow+best  tie with fast, worse  undominated
    latency, dice = [10.0, 20.0, 40.0, 10.0, 15.0], [80.0, 79.0, 90.0, 70.0, 85.0]
    assert pareto_front(latency, dice).tolist() == [0, 4, 2]


def test_equal_points_share_the_front():
    assert pareto_front([10.0, 10.0, 11.0], [80.0, 80.0, 80.0]).tolist() == [0, 1]


def test_latencies_within_their_noise_share_a_place_on_the_front():
    # the same network, measured twice: faster by noise, and less accurate, is no place of its own
    assert pareto_front([10.0, 10.5], [80.0, 85.0]).tolist() == [0, 1]
    assert pareto_front([10.0, 10.5], [80.0, 85.0], [0.1, 0.1]).tolist() == [1]
    assert pareto_front([10.0, 10.5], [85.0, 85.0], [0.1, 0.1]).tolist() == [0, 1]
    assert pareto_front([10.0, 12.0], [80.0, 85.0], [0.1, 0.1]).tolist() == [0, 1]
    assert pareto_front([843.0, 1383.0], [80.0, 85.0], [0.1, 0.6]).tolist() == [1]  # a busy machine's own noise
    # beaten by a row that is itself beaten, and by none of the front
    assert pareto_front([10.0, 10.9, 11.9], [80.0, 81.0, 82.0], [0.1] * 3).tolist() == [0, 2]
    assert pareto_front([10.0, 10.5], [80.0, 85.0], [float('nan')] * 2).tolist() == [0, 1]  # none was recorded


def test_points_that_only_noise_keeps_off_the_front():
    latency, dice, noise = [47.0, 96.0, 50.0], [80.0, 85.0, 70.0], [0.1, 0.6, 0.1]
    assert equal_by_noise(latency, dice, pareto_front(latency, dice, noise)).tolist() == [True, False, False]
    assert not equal_by_noise(latency, dice, pareto_front(latency, dice)).any()
