import numpy as np
import pytest

from benchmarks.analysis.chance import BY_ARM, BY_SEEDS, NO_BAND, chance_band


def compared(design, low, high, verdict='undecided'):
    return dict(design=design, low=low, high=high, verdict=verdict)


def test_the_band_of_an_arm_is_the_interval_of_its_difference():
    rows = [compared('each_alone', -9.0, 9.0), compared('aa', -0.5, 1.5), compared('aa', -1.0, 0.2)]
    assert chance_band(rows[:2], np.array([80.0, 81.0])) == (-0.5, 1.5, BY_ARM)
    assert chance_band(rows, np.array([80.0, 81.0])) == (-1.0, 1.5, BY_ARM)


@pytest.mark.parametrize('spoilt', [compared('aa', np.nan, np.nan, 'missing'), compared('aa', -9, 9, 'not learned')])
def test_an_arm_without_a_number_leaves_the_seeds_of_the_baseline(spoilt):
    assert chance_band([spoilt], np.array([80.0, 81.0, 82.0])).source == BY_SEEDS


def test_without_an_arm_two_trainings_of_the_baseline_differ_by_so_much():
    """4.303 is the two-sided 95 % quantile of t with two degrees of freedom."""
    low, high, source = chance_band([], np.array([80.0, 81.0, 82.0]))
    assert high == pytest.approx(4.303 * np.sqrt(2 / 3), rel=1e-3) and low == -high and source == BY_SEEDS


def test_nineteen_of_twenty_second_trainings_lie_inside():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        first, second = rng.normal(80, 0.7, (2, 3))
        low, high, _ = chance_band([], first)
        inside.append(low <= second.mean() - first.mean() <= high)
    assert 0.94 < np.mean(inside) < 0.96


@pytest.mark.parametrize('baseline', [[], [80.0], [80.0, 81.0], [80.0, 81.0, np.nan]])
def test_two_seeds_tell_too_little(baseline):
    assert chance_band([], np.array(baseline)) is NO_BAND
