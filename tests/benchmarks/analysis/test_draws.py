import numpy as np
import pytest

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.draws import latency_draws, score_draws
from benchmarks.analysis.resampling import interval
from benchmarks.analysis.scores import SCORES

FOREGROUND = np.array([1])


def world(scores):
    """Contrasts of cells whose images have these Dice scores, by stack an array (S, G) in percent."""
    cells = {}
    for stack, of_stack in scores.items():
        for seed, dice in enumerate(np.asarray(of_stack, float)):
            tp = np.round(dice * 1000).astype(np.int64)
            area = np.stack([np.zeros((len(dice), 3), np.int64), np.stack([tp, *[100_000 - tp] * 2], 1)], 1)
            nothing = np.full((len(dice), 2), np.nan)
            cells[f'{stack}__seed{seed}'] = CellCounts(area, area, area[..., :2], nothing, nothing)
    n_seeds, n_groups = np.shape(next(iter(scores.values())))
    counts = Counts(cells, [f'image{n}' for n in range(n_groups)], np.arange(n_groups))
    return Contrasts(SCORES['dice'], counts, range(n_seeds), FOREGROUND)


def crossed(rng, n_seeds, n_groups, spread_seeds=1.0, spread_groups=1.0):
    return 70 + rng.normal(0, spread_seeds, (n_seeds, 1)) + rng.normal(0, spread_groups, (1, n_groups))


@pytest.mark.parametrize('spreads', [(1.0, 0.001), (0.001, 1.0)])
@pytest.mark.parametrize('n_seeds', [2, 3, 5])
def test_where_one_source_of_variance_is_alone_draws_have_the_quantiles_of_the_interval(n_seeds, spreads):
    contrasts = world(dict(one=crossed(np.random.default_rng(1), n_seeds, 8, *spreads)))
    draws = score_draws(contrasts, ['one'], 40_000, np.random.default_rng(0))[:, 0]
    for level in (0.5, 0.2, 0.1):
        low, high = interval(contrasts.estimate(dict(one=1.0)), level, (-np.inf, np.inf))
        assert np.percentile(draws, [50 * level, 100 - 50 * level]) == pytest.approx(
            [low, high], abs=0.05 * (high - low)
        )


def test_stacks_move_together_as_their_seeds_and_images_do():
    base = crossed(np.random.default_rng(2), 3, 8)
    contrasts = world(dict(one=base, same=base, better=base + 0.5))
    draws = score_draws(contrasts, ['one', 'same', 'better'], 1000, np.random.default_rng(0))
    assert np.allclose(draws[:, 0], draws[:, 1]) and np.allclose(draws[:, 2] - draws[:, 0], 0.5, atol=0.01)


def test_of_two_equal_stacks_each_is_better_in_half_of_the_worlds():
    shares = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        images = rng.normal(0, 2, 8)
        two = {name: crossed(rng, 3, 8, 0.5, 0.5) + images for name in ('one', 'other')}
        draws = score_draws(world(two), ['one', 'other'], 200, rng)
        shares.append((draws[:, 0] > draws[:, 1]).mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.mean(np.array(shares) > 0.95) < 0.06  # "surely better" is said by mistake at most so often


def test_one_seed_speaks_of_images_and_one_group_of_nothing():
    base = crossed(np.random.default_rng(3), 1, 8)
    assert np.isfinite(score_draws(world(dict(one=base)), ['one'], 10, np.random.default_rng(0))).all()
    assert np.isnan(score_draws(world(dict(one=base[:, :1])), ['one'], 10, np.random.default_rng(0))).all()


def test_two_latencies_that_differ_by_their_noise_are_told_apart_in_all_but_one_of_forty_draws():
    draws = latency_draws([100.0, 110.0], [np.nan, 0.1], ['a', 'b'], 100_000, np.random.default_rng(0))
    assert (draws[:, 1] < draws[:, 0]).mean() == pytest.approx(0.03, abs=0.008)  # log(1.1) is a little less than 0.1


def test_stacks_of_one_measurement_have_one_error():
    draws = latency_draws([100.0, 100.0, 100.0], [0.1] * 3, ['a', 'b', 'a'], 50, np.random.default_rng(0))
    assert np.array_equal(draws[:, 0], draws[:, 2]) and not np.isclose(draws[:, 0], draws[:, 1]).any()
