import numpy as np
import pytest

from benchmarks.analysis.findings import of_these_checkpoints
from benchmarks.analysis.resampling import estimate, interval
from benchmarks.analysis.strata import beyond_the_rest, by_class, by_difficulty, by_size, gain_in

GROUPS = np.repeat(np.arange(8), 6)
N = len(GROUPS)


def test_sizes_are_cut_at_limits_of_two_digits_and_each_unit_is_in_one_stratum():
    pixels = np.arange(1, 301).reshape(-1, 3) * 7
    pixels[0] = 0
    strata = by_size(pixels)
    assert [stratum.name for stratum in strata] == [
        'areas under 720 px',
        'areas of 720 to 1,399 px',
        'areas of 1,400 px and more',
    ]
    assert np.array_equal(sum(stratum.mask.astype(int) for stratum in strata), pixels > 0)


def test_equal_sizes_are_one_stratum():
    assert [stratum.name for stratum in by_size(np.full((5, 2), 300))] == ['areas of 300 px and more']
    assert by_size(np.zeros((5, 2), int)) == []


def test_classes_that_no_truth_shows_are_no_stratum():
    pixels = np.array([[3, 0, 1], [0, 0, 5]])
    strata = by_class(pixels, ['cell', 'ghost', 'rim'])
    assert [stratum.name for stratum in strata] == ['class “cell”', 'class “rim”']
    assert strata[0].mask.tolist() == [[True, False, False], [False, False, False]]
    pixels[1, 0] = 2
    assert [stratum.name for stratum in by_class(pixels, ['cell', 'ghost', 'rim'], most=1)] == ['class “cell”']


def test_the_gain_in_a_stratum_is_the_mean_of_its_units_by_hand():
    rng = np.random.default_rng(0)
    gains = rng.normal(1, 2, (3, N, 2))
    mask = rng.uniform(size=(N, 2)) < 0.5
    found = gain_in(gains, mask, GROUPS)
    without = [[of_seed[(g != GROUPS)[:, None] & mask].mean() for g in range(8)] for of_seed in gains]
    sizes = [mask[g == GROUPS].sum() for g in range(8)]
    assert np.allclose(found[:4], estimate(gains[:, mask].mean(axis=1), np.array(without), np.array(sizes))[:4])
    rest = beyond_the_rest(gains, mask, GROUPS)
    assert float(rest.value) == pytest.approx(gains[:, mask].mean() - gains[:, ~mask].mean())


def test_groups_without_units_do_not_count():
    gains = np.random.default_rng(1).normal(1, 2, (3, N, 1))
    few = (GROUPS < 3)[:, None]
    assert float(gain_in(gains, few, GROUPS).effective_groups) == pytest.approx(3)
    assert float(beyond_the_rest(gains, few, GROUPS).effective_groups) <= 3
    assert gain_in(gains, (GROUPS < 1)[:, None], GROUPS) is None and gain_in(gains, few & False, GROUPS) is None


def chance_alone(seed, n_seeds=3, spread=3.0):
    """Scores of a reference and of a technique without any effect: images differ, and so does each training."""
    rng = np.random.default_rng(seed)
    images = rng.normal(75, 4, (N, 1))
    return (images + rng.normal(0, spread, (n_seeds, N, 1)) for _ in range(2))


def test_difficulty_comes_from_other_seeds_so_that_chance_is_no_gain_on_hard_images():
    naive, crossed = [], []
    for seed in range(60):
        reference, technique = chance_alone(seed)
        gains = technique - reference
        hard = by_difficulty(reference, [0, 1, 2])[0].mask
        crossed.append(float(gain_in(gains, hard, GROUPS).value))
        own = reference[..., 0] <= np.quantile(reference[..., 0], 1 / 3, axis=1)[:, None]
        naive.append(float(gain_in(gains, own[..., None], GROUPS).value))
    assert np.mean(crossed) == pytest.approx(0, abs=0.15)
    assert np.mean(naive) > 1.5  # what the same images would seem to gain by regression to the mean


def test_a_gain_on_hard_images_alone_is_found():
    reference, technique = chance_alone(0, spread=0.5)
    hard = reference.mean(axis=0) < np.quantile(reference.mean(axis=0), 1 / 3)
    strata = by_difficulty(reference, [0, 1, 2])
    gains = technique + 3 * hard - reference
    values = [float(gain_in(gains, stratum.mask, GROUPS).value) for stratum in strata]
    assert values[0] > 2.5 and abs(values[2]) < 0.3
    assert float(beyond_the_rest(gains, strata[0].mask, GROUPS).value) > 2


def test_one_seed_of_the_reference_gives_no_difficulty_and_more_seeds_are_used():
    reference, _ = chance_alone(0, n_seeds=4)
    assert by_difficulty(reference[:1], [0]) == []
    strata = by_difficulty(reference, [1, 3])
    assert [stratum.mask.shape for stratum in strata] == [(2, N, 1)] * 3
    assert all(of_seed.sum() == N // 3 for stratum in strata for of_seed in stratum.mask)
    changed = reference.copy()
    changed[1] = 0
    assert np.array_equal(by_difficulty(changed, [1])[0].mask, by_difficulty(reference, [1])[0].mask)


def test_without_a_difference_strata_are_told_apart_in_five_of_a_hundred_worlds():
    called = {'images': 0, 'both': 0}
    mask = np.random.default_rng(9).uniform(size=(N, 1)) < 0.4
    for seed in range(400):
        rng = np.random.default_rng(seed)
        gains = rng.normal(0, 1, (1, 8, 1))[:, GROUPS] + rng.normal(0, 1, (3, N, 1)) + rng.normal(0, 1, (1, N, 1))
        est = beyond_the_rest(gains, mask, GROUPS)
        for name, judged_est in (('both', est), ('images', of_these_checkpoints(est))):
            low, high = interval(judged_est, 0.05, (-np.inf, np.inf))
            called[name] += low > 0 or high < 0
    assert called['both'] / 400 < 0.05 and called['images'] / 400 < 0.08
