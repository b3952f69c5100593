"""Corrections, variances, tests and priors beside statsmodels, scipy and the published formulas of R's limma.

rliable (Agarwal et al. 2021) is not among them: its interquartile means and probabilities of improvement over many
tasks are no quantities of a grid on one data set.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from benchmarks.analysis.class_scores import HALL_SHEATHER, median_without_groups
from benchmarks.analysis.corrections import benjamini_hochberg, holm
from benchmarks.analysis.moderation import drawn, prior_scale, prior_weight
from benchmarks.analysis.resampling import estimate, leave_one_group_out, p_value
from benchmarks.analysis.two_variances import TwoVariances

SEEDS, GROUPS = 4, 9
statsmodels = pytest.importorskip('statsmodels.api')
smf = pytest.importorskip('statsmodels.formula.api')


@pytest.fixture
def scores():
    """The score of each seed and group, (S, G): crossed effects and an interaction."""
    rng = np.random.default_rng(0)
    return 80 + rng.normal(0, 2, (SEEDS, 1)) + rng.normal(0, 1.5, GROUPS) + rng.normal(0, 0.7, (SEEDS, GROUPS))


@pytest.fixture
def long(scores):
    """The same as a table of rows."""
    seed, group = np.indices(scores.shape)
    return pd.DataFrame(dict(y=scores.ravel(), seed=seed.ravel(), group=group.ravel(), one=1))


def estimated(scores):
    """The mean over seeds and groups of equal size, as a report has it."""
    parts = [
        leave_one_group_out(
            np.stack([of_seed, np.ones(GROUPS)], axis=1), np.arange(GROUPS), lambda s: s[..., 0] / s[..., 1]
        )
        for of_seed in scores
    ]
    full, without = (np.array(column) for column in zip(*parts))
    return estimate(full, without, np.ones(GROUPS))


# ---- corrections


@pytest.mark.parametrize('ours, method', [(holm, 'holm'), (benjamini_hochberg, 'fdr_bh')])
def test_corrected_p_values_are_those_of_statsmodels(ours, method):
    multitest = pytest.importorskip('statsmodels.stats.multitest')
    rng = np.random.default_rng(1)
    for size in (1, 2, 17, 73):
        p = np.concatenate([rng.uniform(size=size), rng.uniform(size=size) ** 6])
        p[0] = p[-1]  # a tie
        np.testing.assert_allclose(ours(p), multitest.multipletests(p, method=method)[1])
        np.testing.assert_allclose(ours([*p, np.nan])[:-1], ours(p))


# ---- variances of a mean over seeds and groups


def test_variances_are_the_mean_squares_of_a_two_way_anova(scores, long):
    table = statsmodels.stats.anova_lm(smf.ols('y ~ C(seed) + C(group)', long).fit())
    squares, est = table['mean_sq'] / scores.size, estimated(scores)
    assert float(est.variance_seeds) == pytest.approx(squares['C(seed)'])
    assert float(est.variance_groups) == pytest.approx(squares['C(group)'])


def test_variances_are_those_of_a_mixed_model_with_the_interaction_counted_twice(scores, long):
    """On balanced data REML gives the components of the analysis of variance, where these are positive."""
    parts = dict(seed='0 + C(seed)', group='0 + C(group)')
    fit = smf.mixedlm('y ~ 1', long, groups='one', vc_formula=parts, re_formula='0').fit(reml=True)
    component = dict(zip(fit.model.exog_vc.names, fit.vcomp))
    est = estimated(scores)
    assert float(est.variance_seeds) == pytest.approx((component['seed'] + fit.scale / GROUPS) / SEEDS, rel=1e-3)
    assert float(est.variance_groups) == pytest.approx((component['group'] + fit.scale / SEEDS) / GROUPS, rel=1e-3)


def test_the_jackknife_over_groups_is_the_cluster_robust_variance():
    """Of a mean over the images of equal groups; statsmodels' correction is G / (G - 1)."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(7), 5)
    values = rng.normal(0, 1, 7)[groups] + rng.normal(0, 1, len(groups))
    addends = np.stack([values, np.ones_like(values)], axis=1)
    full, without = leave_one_group_out(addends, groups, lambda sums: sums[..., 0] / sums[..., 1])
    est = estimate(np.array([full]), without[None], np.bincount(groups))
    fit = statsmodels.OLS(values, np.ones_like(values)).fit(cov_type='cluster', cov_kwds=dict(groups=groups))
    assert float(est.variance_groups) == pytest.approx(float(fit.cov_params()[0, 0]))


def test_the_step_of_a_median_has_the_bandwidth_of_quantile_regression():
    module = pytest.importorskip('statsmodels.regression.quantile_regression')
    for number in (20, 56, 500):
        assert HALL_SHEATHER * number ** (-1 / 3) == pytest.approx(module.hall_sheather(number, 0.5, 0.05), rel=0.002)


def test_the_variance_of_a_median_of_normal_values_is_that_of_theory():
    """pi / 2 times that of a mean, for many values."""
    values = np.random.default_rng(3).normal(0, 1, 4000)
    found = median_without_groups(values, np.arange(len(values)), len(values))
    est = estimate(np.array([found.full]), found.without[None], found.sizes)
    assert float(est.variance_groups) * len(values) == pytest.approx(np.pi / 2, rel=0.1)


# ---- tests


def test_with_seeds_alone_it_is_the_paired_t_test(scores):
    one, other = scores[:, 0], scores[:, 1] + 1.0
    deltas = one - other
    est = estimate(deltas, np.repeat(deltas[:, None], 8, axis=1), np.ones(8))
    assert p_value(est) == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=1e-6)


@pytest.mark.parametrize('freedoms', [(1.0, 7.0), (2.0, 7.0), (4.0, 3.0), (4.0, 19.0)])
@pytest.mark.parametrize('groups', [1e-5, 0.01, 0.6, 30.0])
@pytest.mark.parametrize('value', [0.7, 3.0, 9.0])
def test_behrens_fisher_is_the_integral_over_both_t_densities(freedoms, groups, value):
    """Also where one part is small beside the other: over the wrong one the nodes miss the step of the smaller."""
    logits = np.linspace(-40, 40, 200_001)
    u = special.expit(logits)
    errors = np.sqrt(1.3) * special.stdtrit(freedoms[0], np.minimum(u, 1 - u)) * -np.sign(logits)
    tails = special.stdtr(freedoms[1], (errors - value) / np.sqrt(groups))
    p = 2 * integrate.trapezoid(tails * u * (1 - u), logits)
    ours = TwoVariances(1.3, freedoms[0], groups, freedoms[1], satterthwaite=False).p_value(value)
    assert float(ours) == pytest.approx(p, rel=0.01)


def test_behrens_fisher_is_the_sum_of_two_t_variables():
    rng = np.random.default_rng(4)
    drawn_errors = 1.1 * rng.standard_t(2, 400_000) + 0.8 * rng.standard_t(7, 400_000)
    ours = TwoVariances(1.1**2, 2.0, 0.8**2, 7.0, satterthwaite=False)
    for value in (1.0, 3.0, 6.0):
        assert float(ours.p_value(value)) == pytest.approx((np.abs(drawn_errors) > value).mean(), rel=0.03)


# ---- limma


def fit_f_dist(variances, freedom):
    """Prior degrees of freedom and scale by moments of log variances (limma's fitFDist; Smyth 2004, section 6.2)."""
    e = np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = ((e - e.mean()) ** 2).sum() / (len(e) - 1) - special.polygamma(1, freedom / 2)
    if excess <= 0:
        return np.inf, np.exp(e.mean())
    half = 0.5 + 1 / excess  # trigammaInverse, by Newton's method on 1 / trigamma
    for _ in range(50):
        trigamma = special.polygamma(1, half)
        half += trigamma * (1 - trigamma / excess) / special.polygamma(2, half)
    return 2 * half, np.exp(e.mean() + special.digamma(half) - np.log(half))


def squeeze_var(variances, freedom, prior_freedom, prior):
    """Posterior variances: Smyth 2004, section 4 (limma's squeezeVar)."""
    return (prior_freedom * prior + freedom * variances) / (prior_freedom + freedom)


def sample(rng, prior_freedom, freedom, number):
    true = 2.0 if np.isinf(prior_freedom) else prior_freedom * 2.0 / rng.chisquare(prior_freedom, number)
    return true * rng.chisquare(freedom, number) / freedom


@pytest.mark.parametrize('freedom', [1, 2, 4, 9])
@pytest.mark.parametrize('prior_freedom', [1.0, 4.0, 20.0])
def test_the_weight_of_the_prior_is_that_of_limma(freedom, prior_freedom):
    variances = sample(np.random.default_rng(5), prior_freedom, freedom, 60)
    weight, _ = fit_f_dist(variances, freedom)
    assert float(prior_weight(variances, freedom)[0]) == pytest.approx(weight, rel=1e-6)


def test_variances_that_differ_by_chance_alone_have_an_infinite_weight_in_both():
    variances = np.full(30, 2.0)
    assert np.isinf(fit_f_dist(variances, 3)[0]) and np.isinf(prior_weight(variances, 3)[0])


@pytest.mark.parametrize('prior_freedom', [4.0, 20.0])
def test_the_scale_of_the_prior_is_limmas_but_for_the_method(prior_freedom):
    """Here it is the most likely one instead of that of the moments, which small variances by luck draw down."""
    variances = sample(np.random.default_rng(6), prior_freedom, 2, 20_000)
    weight, scale = fit_f_dist(variances, 2)
    assert float(prior_scale(variances, 2, weight)[0]) == pytest.approx(scale, rel=0.05)


def test_a_variance_is_drawn_towards_the_prior_as_in_limma():
    variances = sample(np.random.default_rng(7), 4.0, 2, 40)
    moderated = drawn(variances, np.full(40, 1.7), np.array([3.0]), n_seeds=3)
    np.testing.assert_allclose(moderated.variance * 3, squeeze_var(variances, 2, 3.0, 1.7))
    assert moderated.degrees_of_freedom.tolist() == [5.0]
