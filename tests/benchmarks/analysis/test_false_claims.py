"""The bound on the chance of a false claim: by hand, against the exact one, and against simulated grids."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from benchmarks.analysis.false_claims import (
    chance_of_false_difference,
    chance_of_false_equivalence,
    false_claim_chance,
    t_of,
)
from benchmarks.analysis.resampling import Estimate, half_width
from benchmarks.analysis.spending import nominal_levels

MANY = 1e9  # degrees of freedom
DRAWS = 100_000
BINS = ((0.15, 0.2), (0.07, 0.1), (0.03, 0.04), (0.01, 0.013), (0.003, 0.004))
# Effects in standard errors of a difference: normal, and of one size, that which flatters a t the most among them.
EFFECTS = dict(
    normal_half=lambda draw: draw.normal(0, 0.5, DRAWS),
    normal_2=lambda draw: draw.normal(0, 2, DRAWS),
    normal_4=lambda draw: draw.normal(0, 4, DRAWS),
    normal_30=lambda draw: draw.normal(0, 30, DRAWS),
    size_2=lambda draw: draw.choice([-2.0, 2.0], DRAWS),
    size_3=lambda draw: draw.choice([-3.0, 3.0], DRAWS),
    size_4=lambda draw: draw.choice([-4.0, 4.0], DRAWS),
    size_8=lambda draw: draw.choice([-8.0, 8.0], DRAWS),
    gains_3=lambda draw: np.full(DRAWS, 3.0),
)
WORLDS = [(3, 8, 0.0), (3, 8, 0.5), (3, 8, 0.9), (3, 8, 1.0), (2, 20, 0.5), (5, 20, 0.5), (10, 60, 0.5)]


@pytest.mark.parametrize('p, percent', [(0.05, 22.7), (0.01, 6.76), (0.001, 0.883)])
def test_by_hand_with_many_degrees_of_freedom(p, percent):
    # t = 1.960, 2.576, 3.291: B = 2 exp(-t² / 2) = 0.2930, 0.0725, 0.00891.
    assert 100 * chance_of_false_difference(stats.norm.isf(p / 2), MANY) == pytest.approx(percent, rel=2e-3)


def test_by_hand_with_few_degrees_of_freedom():
    # t = 4, f = 2: 1 + 16 / 2 = 9, and 9^(-3/2) = 1/27. B = 2/27, so 2 of 29; of the margin half of 1/27: 1 of 55.
    assert chance_of_false_difference(4, 2) == pytest.approx(2 / 29)
    assert chance_of_false_equivalence(4, 2) == pytest.approx(1 / 55)
    # One-sided p = 0.05: t = 1.645, B = exp(-1.353) / 2 = 0.1292.
    assert chance_of_false_equivalence(1.6449, MANY) == pytest.approx(0.1292 / 1.1292, rel=1e-3)


def test_it_falls_with_the_distance_to_none():
    t = np.linspace(0, 60, 500)
    for first, chance in ((1 / 2, chance_of_false_difference(t, 4)), (1 / 3, chance_of_false_equivalence(t, 4))):
        assert chance[0] == pytest.approx(first) and (np.diff(chance) <= 0).all() and chance[-1] < 1e-4
    assert chance_of_false_difference(np.inf, 3) == 0


def test_which_verdicts_claim_something():
    est = Estimate(np.array(-4.0), np.array(0.75), np.array(0.25), np.array(61.0), 3)
    # V = 1, f = 1 / (0.75² / 60 + 0.25² / 2) = 24.6; 1 + 16 / 24.6 = 1.650, to the power of -12.8: 0.00163.
    assert false_claim_chance('loss', est, 1.0) == pytest.approx(0.00326, rel=0.01)
    assert false_claim_chance('gain', est, 1.0) == false_claim_chance('loss', est, 1.0)
    small = est._replace(value=np.array(-1.0))  # 4 standard errors within a margin of 5
    assert false_claim_chance('equivalent', small, 5.0) == pytest.approx(0.00163 / 2, rel=0.01)
    for verdict in ('undecided', 'missing', 'not effective', 'not learned', 'open'):
        assert np.isnan(false_claim_chance(verdict, est, 1.0))


def test_the_degrees_of_freedom_are_those_of_all_parts():
    est = Estimate(np.array(1.0), np.array(0.5), np.array(0.25), np.array(9.0), 3, prior_freedom=3.0)
    assert t_of(est, 2.0) == pytest.approx((2 / np.sqrt(0.75), 0.75**2 / (0.5**2 / 8 + 0.25**2 / 5)))
    folds = est._replace(variance_folds=np.array(0.25), n_folds=5)
    assert t_of(folds, 2.0) == pytest.approx((2.0, 1 / (0.5**2 / 8 + 0.25**2 / 5 + 0.25**2 / 4)))
    assert t_of(folds.of_these_checkpoints, 2.0) == pytest.approx((2 / np.sqrt(0.5), 8.0))
    nothing_varies = est._replace(variance_groups=np.array(0.0), variance_seeds=np.array(0.0))
    assert false_claim_chance('gain', nothing_varies, 0.5) == 0


@pytest.mark.parametrize('freedom', [1, 2, 4, 10, 30, 100])
def test_it_is_below_the_exact_bound_of_a_t_test(freedom):
    """The exact one is the least over the size d of an effect; the density of t in closed form is a 1F1."""
    for p in (0.05, 0.02, 0.005):
        t = stats.t.isf(p / 2, freedom)
        part = t**2 / (freedom + t**2)

        def bayes_factor(d, part=part):
            return np.exp(d**2 / 2) / special.hyp1f1((freedom + 1) / 2, 0.5, part * d**2 / 2)

        exact = optimize.minimize_scalar(bayes_factor, method='bounded', bounds=(0.1, 25.0))
        bound = chance_of_false_difference(t, freedom)
        assert bound <= 1.002 * exact.fun / (1 + exact.fun), (freedom, p)  # 2 exp(-2 t²) at most


def experiments(draw, world, effects):
    """Estimates of differences of standard error 1; ``share`` of their variance is due to seeds."""
    n_seeds, n_groups, share = world
    of_seeds = share * draw.chisquare(n_seeds - 1, DRAWS) / (n_seeds - 1)
    of_groups = (1 - share) * draw.chisquare(n_groups - 1, DRAWS) / (n_groups - 1)
    values = effects + draw.normal(0, 1, DRAWS)
    return Estimate(values, of_groups, of_seeds, np.array(float(n_groups)), n_seeds)


def share_of_false(without, with_effect, low, high):
    """The share of false claims among those whose chance lies in a bin, and three standard errors of it."""
    false, true = (((chances >= low) & (chances < high)).sum() for chances in (without, with_effect))
    share = false / max(false + true, 1)
    return share, 3 * np.sqrt(max(share * (1 - share), 0.25 / max(false + true, 1)) / max(false + true, 1)), false


def assert_no_bin_is_below(without, with_effect, said):
    looked_at = 0
    for low, high in BINS:
        share, error, false = share_of_false(without, with_effect, low, high)
        if false >= 30:  # fewer say nothing
            looked_at += 1
            assert share + error >= low, (said, low, share, error)
    return looked_at


@pytest.mark.parametrize('world', WORLDS)
def test_of_claims_in_simulated_grids_at_least_so_many_are_false(world):
    """Half of the comparisons have no effect, the others one of many kinds; claims are those of the harness."""
    draw = np.random.default_rng([5, WORLDS.index(world)])

    def chances(effects):
        est = experiments(draw, world, effects)
        claims = half_width(est, 0.05) < abs(est.value)
        return chance_of_false_difference(*(part[claims] for part in t_of(est, abs(est.value))))

    without = chances(np.zeros(DRAWS))
    bins = [assert_no_bin_is_below(without, chances(of(draw)), (world, name)) for name, of in EFFECTS.items()]
    assert min(bins) >= 1


@pytest.mark.parametrize('margin', [2.0, 4.0, 12.0])
@pytest.mark.parametrize('world', WORLDS)
def test_of_claims_of_equivalence_at_least_so_many_are_false(world, margin):
    """Half of the differences are as large as the margin, the others none, half of it or anything within."""
    draw = np.random.default_rng([6, WORLDS.index(world), int(margin)])

    def chances(differences):
        est = experiments(draw, world, differences)
        room = margin - abs(est.value)
        claims = half_width(est, 0.10) < room
        return chance_of_false_equivalence(*(part[claims] for part in t_of(est, room)))

    without = chances(np.full(DRAWS, margin))
    for name, within in (
        ('none', np.zeros(DRAWS)),
        ('half', np.full(DRAWS, margin / 2)),
        ('any', draw.uniform(-margin, margin, DRAWS)),
    ):
        assert_no_bin_is_below(without, chances(within), (world, margin, name))


def test_a_rule_that_stops_when_it_has_seen_enough_leaves_the_bound():
    """Looks at 2 to 8 seeds, at the levels of a sequential design; a claim counts with the t at which it was made."""
    looks = tuple(range(2, 9))
    levels, draw = nominal_levels(0.05, looks), np.random.default_rng(7)

    def chances(effects):  # in standard deviations of one seed
        seeds = effects[:, None] + draw.normal(0, 1, (DRAWS, looks[-1]))
        found, open_ones = [], np.ones(DRAWS, bool)
        for number, level in zip(looks, levels):
            t = abs(seeds[:, :number].mean(axis=1)) / (seeds[:, :number].std(axis=1, ddof=1) / np.sqrt(number))
            claims = open_ones & (t > stats.t.isf(level / 2, number - 1))
            found.append(chance_of_false_difference(t[claims], number - 1))
            open_ones &= ~claims
        return np.concatenate(found)

    without = chances(np.zeros(DRAWS))
    for name in ('normal_2', 'normal_4', 'size_3'):
        assert assert_no_bin_is_below(without, chances(EFFECTS[name](draw) / 2), name) >= 3


@pytest.mark.parametrize('world, most', [((3, 8, 1.0), 0.05), ((3, 8, 0.5), 0.01)])
def test_a_calibration_of_p_alone_would_be_no_lower_bound_with_few_seeds(world, most):
    """Sellke's -e p ln p of a p just below ``most``: these worlds can show a bound that is none."""
    draw = np.random.default_rng(8)

    def claims(effects):
        est = experiments(draw, world, effects)
        return ((half_width(est, most) <= abs(est.value)) & (abs(est.value) < half_width(est, 0.8 * most))).sum()

    bayes_factor = -np.e * 0.8 * most * np.log(0.8 * most)
    false, true = claims(np.zeros(DRAWS)), claims(EFFECTS['normal_4'](draw))
    assert false / (false + true) < 0.9 * bayes_factor / (1 + bayes_factor)
