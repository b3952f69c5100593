import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.chance import BY_ARM, BY_SEEDS, NO_BAND, Chance

GRIDS = 10_000


def inside(of_baseline, of_arm, of_pair):
    """In simulated grids: whether rows that do nothing lie in their bands, and whether the arm's interval excludes 0.

    Baseline, arm and two rows have one distribution, and the rows have fewer seeds than the baseline, or as many.
    Test images are many, so that the interval is over seeds alone.
    """
    rng = np.random.default_rng([of_baseline, of_arm, of_pair])
    sizes = of_baseline, of_arm, of_pair, of_pair
    baselines, arms, rows, others = (rng.normal(80, 0.7, (GRIDS, size)) for size in sizes)
    found = []
    for baseline, arm, row, other in zip(baselines, arms, rows.mean(axis=1), others.mean(axis=1)):
        chance, own = Chance(baseline, arm), baseline[:of_pair]
        to_baseline, between_others = chance.to_baseline(own), chance.between_others(of_pair)
        found.append(
            (
                to_baseline.low <= row - own.mean() <= to_baseline.high,
                between_others.low <= row - other <= between_others.high,
            )
        )
    excludes = stats.ttest_rel(arms, baselines[:, :of_arm], axis=1).pvalue < 0.05 if of_arm else np.zeros(GRIDS, bool)
    return *np.array(found).T, excludes


@pytest.mark.parametrize('sizes', [(3, 3, 3), (8, 8, 8), (10, 8, 2), (5, 0, 5), (5, 0, 3)])
def test_95_of_100_rows_that_do_nothing_lie_inside_also_where_the_arm_excludes_0(sizes):
    """Of all grids 0.009 is four standard errors, of the twentieth that excludes 0 it is 0.04."""
    *kinds, excludes = inside(*sizes)
    assert np.mean(excludes) == pytest.approx(0.05 if sizes[1] else 0, abs=0.009)
    for kind in kinds:
        assert np.mean(kind) == pytest.approx(0.95, abs=0.009)
        assert not excludes.any() or np.mean(kind[excludes]) == pytest.approx(0.95, abs=0.04)


def test_only_a_pair_with_the_baseline_has_the_luck_of_its_seeds():
    """The four trainings have the mean 80.5 and the variance 5 / 3; 3.182 is the quantile of t with three freedoms."""
    chance = Chance(np.array([82.0, 81.0]), np.array([79.0, 80.0]))
    low, high, source, n_seeds = chance.to_baseline(np.array([82.0, 81.0]))
    half = 3.182 * np.sqrt(5 / 3 * (1 / 2 + 1 / 4))
    assert (low, high) == pytest.approx((-1 - half, -1 + half), abs=1e-3) and (source, n_seeds) == (BY_ARM, 2)
    half = 3.182 * np.sqrt(5 / 3 * 2 / 2)
    low, high, source, n_seeds = chance.between_others(2)
    assert (low, high) == pytest.approx((-half, half), abs=1e-3) and (source, n_seeds) == (BY_ARM, 2)


def test_turned_it_is_the_band_of_the_baseline_minus_the_row():
    band = Chance(np.array([82.0, 81.0]), np.array([79.0, 80.0])).to_baseline(np.array([82.0, 81.0]))
    assert band.turned() == band._replace(low=-band.high, high=-band.low)


def test_without_an_arm_two_trainings_of_the_baseline_differ_by_so_much():
    """4.303 is the two-sided 95 % quantile of t with two degrees of freedom."""
    baseline = np.array([80.0, 81.0, 82.0])
    low, high, source, n_seeds = Chance(baseline, np.zeros(0)).to_baseline(baseline)
    assert high == pytest.approx(4.303 * np.sqrt(2 / 3), rel=1e-3) and low == -high
    assert (source, n_seeds) == (BY_SEEDS, 3)


@pytest.mark.parametrize('baseline, again', [([], []), ([80], []), ([80, 81], []), ([80], [81]), ([80, 81], [np.nan])])
def test_two_trainings_tell_too_little_and_one_without_a_score_nothing(baseline, again):
    chance = Chance(np.array(baseline, float), np.array(again, float))
    assert chance.between_others(2) is NO_BAND
    assert not baseline or chance.to_baseline(np.array(baseline, float)) is NO_BAND
