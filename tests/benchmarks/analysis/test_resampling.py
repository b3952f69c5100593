import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.resampling import (
    Estimate,
    estimate,
    half_width,
    interval,
    leave_one_group_out,
    level_at,
    p_value,
)


def of_means(values, sizes=None):
    """Estimate of the mean of values (S, G), each group of equal size."""
    values = np.asarray(values, float)
    groups = values.shape[1]
    without = (values.sum(axis=1, keepdims=True) - values) / max(groups - 1, 1)
    return estimate(values.mean(axis=1), without, np.ones(groups) if sizes is None else sizes)


def test_one_seed_is_the_t_interval_of_the_group_means():
    values = np.array([[71.0, 80.0, 64.0, 77.0, 90.0]])
    est = of_means(values)
    theirs = stats.ttest_1samp(values[0] - 70, 0)
    low, high = interval(est)
    np.testing.assert_allclose((low - 70, high - 70), theirs.confidence_interval())
    assert not est.seeds_covered
    assert p_value(of_means(values - 70)) == pytest.approx(theirs.pvalue, rel=1e-6)


def test_without_group_noise_it_is_the_t_interval_of_the_seed_scores():
    scores = np.array([0.5, 2.5, 1.8])
    est = of_means(np.repeat(scores[:, None], 6, axis=1))
    theirs = stats.ttest_1samp(scores, 0)
    np.testing.assert_allclose(interval(est, bounds=(-100, 100)), theirs.confidence_interval())
    assert p_value(est) == pytest.approx(theirs.pvalue, rel=1e-6)
    assert est.seeds_covered


def test_half_widths_of_the_two_levels_add_in_quadrature():
    est = Estimate(np.array(3.0), np.array(0.25), np.array(0.09), np.array(8.0), 3)
    expected = np.hypot(stats.t.isf(0.025, 7) * 0.5, stats.t.isf(0.025, 2) * 0.3)
    assert half_width(est, 0.05) == pytest.approx(expected)


def test_hand_computed_variances():
    est = of_means([[10.0, 20.0, 30.0], [16.0, 26.0, 36.0]])
    assert est.value == pytest.approx(23)
    assert est.variance_groups == pytest.approx(100 / 3)
    assert est.variance_seeds == pytest.approx(18 / 2)


def test_p_is_the_level_at_which_the_interval_touches_zero():
    rng = np.random.default_rng(0)
    for _ in range(20):
        est = of_means(rng.normal(1.0, 1.0, (3, 1)) + rng.normal(0, 2.0, (1, 6)) + rng.normal(0, 1, (3, 6)))
        p = p_value(est)
        assert half_width(est, p) == pytest.approx(abs(est.value), rel=1e-6)
        low, high = interval(est, 0.05, (-100, 100))
        assert (p < 0.05) == (low > 0 or high < 0)


ONE_PART = dict(variance_groups=11.0, variance_seeds=2.0, variance_folds=4.0)  # with its degrees of freedom


def only(part, size):
    """Estimates of 3 seeds, 5 folds and 12 groups of which one part alone has a variance."""
    none = dict.fromkeys(ONE_PART, np.zeros(4))
    return Estimate(
        np.zeros(4), effective_groups=np.full(4, 12.0), n_seeds=3, n_folds=5, **none | {part: np.full(4, size)}
    )


@pytest.mark.parametrize('part', ONE_PART)
def test_the_level_of_one_variance_is_that_of_bisection_and_of_a_t_test(part):
    distances = np.array([0.01, 1.0, 4.0, 60.0])
    est = only(part, 0.7)
    level = level_at(est, distances)
    low, high = np.full(4, -100.0), np.zeros(4)
    for _ in range(80):
        middle = (low + high) / 2
        wider = half_width(est, 10.0**middle) > distances
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    # The quantiles of scipy, which bisection inverts, are right to ten digits or so.
    np.testing.assert_allclose(level, 10.0**high, rtol=1e-9)
    np.testing.assert_allclose(level, 2 * stats.t.sf(distances / np.sqrt(0.7), ONE_PART[part]), rtol=1e-12)


def test_estimates_with_one_variance_and_with_several_have_their_levels_side_by_side():
    both = only('variance_groups', 0.7)._replace(
        variance_seeds=np.array([0.0, 0.2, 0.0, 0.0]), variance_groups=np.array([0.7, 0.7, 0.0, 0.7])
    )
    level = level_at(both, np.array([1.0, 1.0, 1.0, 0.0]))
    assert level[0] == level_at(only('variance_groups', 0.7), 1.0)[0] < level[1]
    several = Estimate(np.array(0.0), np.array(0.7), np.array(0.2), np.array(12.0), 3)
    assert half_width(several, level[1]) == pytest.approx(1.0) and [*level[2:]] == [0.0, 1.0]


def test_a_p_next_to_zero_is_zero():
    assert level_at(only('variance_groups', 1e-30), 1.0)[0] == 0.0


def test_unequal_groups_count_as_fewer():
    values = np.random.default_rng(1).normal(80, 5, (3, 4))
    equal, unequal = of_means(values, [3, 3, 3, 3]), of_means(values, [10, 1, 1, 1])
    assert equal.effective_groups == pytest.approx(4)
    assert unequal.effective_groups == pytest.approx(13**2 / 103)
    assert half_width(unequal, 0.05) > half_width(equal, 0.05)
    assert np.isfinite(half_width(of_means(values, [1000, 1, 1, 1]), 0.05))


def test_fewer_than_two_groups_give_no_interval():
    est = of_means([[80.0], [82.0], [84.0]])
    assert est.value == 82
    assert np.isnan(interval(est)).all()
    assert np.isnan(p_value(est))


def test_an_interval_stays_within_what_is_possible():
    est = of_means([[99.0, 80.0, 99.9], [99.0, 99.0, 98.0]])
    low, high = interval(est)
    assert high == 100.0 and 0 <= low < est.value
    assert interval(est, bounds=(0, np.inf))[1] > 100


def test_no_variance_at_all():
    assert p_value(of_means(np.zeros((3, 4)))) == 1.0
    assert p_value(of_means(np.full((3, 4), 2.0))) == 0.0


def test_an_undefined_score_of_one_seed_is_undefined_for_all():
    est = of_means([[1.0, 2.0], [np.nan, 2.0]])
    assert np.isnan(est.value) and np.isnan(interval(est)).all() and np.isnan(p_value(est))


def test_leaving_out_a_group_is_scoring_the_rest():
    rng = np.random.default_rng(2)
    addends, groups = rng.integers(0, 9, (12, 2)), rng.integers(0, 4, 12)
    groups[:4] = range(4)

    def finish(sums):
        return sums[..., 0] / sums[..., 1]

    full, without = leave_one_group_out(addends, groups, finish)
    assert full == finish(addends.sum(axis=0))
    np.testing.assert_array_equal(without, [finish(addends[groups != g].sum(axis=0)) for g in range(4)])
