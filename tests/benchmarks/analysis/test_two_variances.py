"""p values and intervals of a value with two variances, each with degrees of freedom of its own."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.two_variances import TwoVariances

FEW = TwoVariances(2.0, 2.0, 0.5, 7.0)


def test_behrens_fisher_is_the_distribution_of_the_sum_of_two_t_variables():
    rng = np.random.default_rng(2)
    errors = np.sqrt(2.0) * rng.standard_t(2, 4_000_000) + np.sqrt(0.5) * rng.standard_t(7, 4_000_000)
    for value in (0.5, 2.0, 6.0):
        assert FEW.p_value(value) == pytest.approx((abs(errors) > value).mean(), abs=1e-3)


def test_satterthwaite_is_welchs_test():
    """Welch's test is the case in which each part is the variance of one mean."""
    rng = np.random.default_rng(3)
    one, two = rng.normal(0, 1, 9), rng.normal(0.8, 3, 14)
    parts = TwoVariances(one.var(ddof=1) / 9, 8, two.var(ddof=1) / 14, 13)
    assert parts.p_value(one.mean() - two.mean()) == pytest.approx(stats.ttest_ind(one, two, equal_var=False).pvalue)


@pytest.mark.parametrize('freedom', [1.0, 2.0, 9.0])
def test_with_one_part_it_is_a_t_test(freedom):
    for parts in (TwoVariances(4.0, freedom, 0.0, 6.0), TwoVariances(0.0, 6.0, 4.0, freedom)):
        assert parts.p_value(3.0) == pytest.approx(2 * stats.t.sf(1.5, freedom), rel=1e-6)


@pytest.mark.parametrize('level', [0.05, 0.1, 0.05 / 73])
@pytest.mark.parametrize('freedoms', [(1.0, 7.0), (4.5, 1.0), (6.0, 8.0)])
def test_the_interval_touches_zero_at_its_level(level, freedoms):
    parts = TwoVariances(2.0, freedoms[0], 0.5, freedoms[1])
    assert parts.p_value(parts.half_width(level)) == pytest.approx(level, rel=1e-6)


def test_without_any_variance():
    nothing = TwoVariances(0.0, 2.0, 0.0, 7.0)
    assert nothing.p_value(0.0) == 1 and nothing.p_value(0.1) == 0 and nothing.half_width(0.05) == pytest.approx(0)


def test_an_undefined_part_leaves_all_undefined():
    undefined = TwoVariances(1.0, 2.0, float('nan'), 7.0)
    assert np.isnan(undefined.p_value(1.0)) and np.isnan(undefined.half_width(0.05))


def test_p_falls_with_the_distance_and_is_symmetric():
    values = np.linspace(0, 12, 60)
    p = np.array([FEW.p_value(value) for value in values])
    assert (np.diff(p) < 0).all() and p[0] == 1 and FEW.p_value(-3.0) == FEW.p_value(3.0)
