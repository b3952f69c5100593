import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.chance import BY_ARM, BY_SEEDS, NO_BAND, chance

GRIDS = 20_000


def compared(design, low, high, verdict='undecided'):
    return dict(design=design, low=low, high=high, verdict=verdict)


def inside(seeds):
    """In simulated grids: whether null rows lie inside their band, and whether the interval of the arm excludes 0.

    Baseline, arm and two null rows have the same distribution. Test images are many, so that seeds alone count.
    """
    rng = np.random.default_rng(seeds)
    found = []
    for baseline, arm, row, other in rng.normal(80, 0.7, (GRIDS, 4, seeds)):
        differences = arm - baseline
        half = stats.t.isf(0.025, seeds - 1) * differences.std(ddof=1) / np.sqrt(seeds)
        low, high = differences.mean() - half, differences.mean() + half
        to_baseline, between_others = chance([compared('aa', low, high)], baseline)
        found.append(
            (
                to_baseline.low <= row.mean() - baseline.mean() <= to_baseline.high,
                between_others.low <= row.mean() - other.mean() <= between_others.high,
                low > 0 or high < 0,
            )
        )
    return np.array(found).T


@pytest.mark.parametrize('seeds, of_excluding', [(3, 0.62), (5, 0.78), (8, 0.86)])
def test_rows_that_do_nothing_lie_inside_as_often_as_is_said(seeds, of_excluding):
    """0.006 are four standard errors of a share of 95 in 100 of all grids, 0.06 of one in the twentieth excluding 0."""
    *kinds, excludes = inside(seeds)
    assert np.mean(excludes) == pytest.approx(0.05, abs=0.006)
    for kind in kinds:
        assert np.mean(kind) == pytest.approx(0.95, abs=0.006)
        assert np.mean(kind[excludes]) == pytest.approx(of_excluding, abs=0.06)


def test_a_pair_without_the_baseline_has_no_luck_of_the_baseline():
    """Both trainings of the baseline differ by 1.0 ± 0.8; 0.693 is 0.8 sqrt(3 / 4)."""
    to_baseline, between_others = chance([compared('aa', 0.2, 1.8), compared('each_alone', -9, 9)], np.array([80.0]))
    assert between_others == pytest.approx((-0.8, 0.8, BY_ARM))
    assert to_baseline == pytest.approx((0.5 - 0.693, 0.5 + 0.693, BY_ARM), abs=1e-3)


def test_of_several_arms_the_widest_ends_count():
    to_baseline, between_others = chance([compared('aa', -0.5, 1.5), compared('aa', -2.0, 0.4)], np.zeros(0))
    assert between_others == pytest.approx((-1.2, 1.2, BY_ARM))
    assert to_baseline == pytest.approx((-0.4 - 1.2 * 0.75**0.5, 0.25 + 0.75**0.5, BY_ARM))


@pytest.mark.parametrize('spoilt', [compared('aa', np.nan, np.nan, 'missing'), compared('aa', -9, 9, 'not learned')])
def test_an_arm_without_a_number_leaves_the_seeds_of_the_baseline(spoilt):
    assert {band.source for band in chance([spoilt], np.array([80.0, 81.0, 82.0]))} == {BY_SEEDS}


def test_without_an_arm_two_trainings_of_the_baseline_differ_by_so_much():
    """4.303 is the two-sided 95 % quantile of t with two degrees of freedom."""
    both = chance([], np.array([80.0, 81.0, 82.0]))
    low, high, source = both.to_baseline
    assert high == pytest.approx(4.303 * np.sqrt(2 / 3), rel=1e-3) and low == -high and source == BY_SEEDS
    assert both.between_others == both.to_baseline


def test_nineteen_of_twenty_second_trainings_lie_inside():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        first, second = rng.normal(80, 0.7, (2, 3))
        low, high, _ = chance([], first).to_baseline
        inside.append(low <= second.mean() - first.mean() <= high)
    assert 0.94 < np.mean(inside) < 0.96


@pytest.mark.parametrize('baseline', [[], [80.0], [80.0, 81.0], [80.0, 81.0, np.nan]])
def test_two_seeds_tell_too_little(baseline):
    assert chance([], np.array(baseline)) == (NO_BAND, NO_BAND)
