"""Levels of looks: the error of all looks together, and Holm's procedure over them."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.spending import nominal_levels, sequential_holm

LOOKS = tuple(range(2, 11))


def test_a_single_look_spends_all():
    assert nominal_levels(0.05, (3,)) == pytest.approx((0.05,), rel=1e-6)


def test_a_brownian_motion_leaves_the_bounds_as_often_as_stated():
    """An independent way: two million motions."""
    rng = np.random.default_rng(4)
    n, position, inside, before, left = 2_000_000, 0.0, True, 0, []
    for look, level in zip(LOOKS, nominal_levels(0.05, LOOKS)):
        position = position + np.sqrt((look - before) / 10) * rng.normal(size=n)
        out = inside & (abs(position) > stats.norm.isf(level / 2) * np.sqrt(look / 10))
        inside, before = inside & ~out, look
        left.append(out.mean())
    spent = 0.05 * (np.array(LOOKS) / 10) ** 2
    # Four standard errors of the simulation.
    assert np.cumsum(left) == pytest.approx(spent, abs=4 * np.sqrt(0.05 / n))


def test_levels_rise_and_stay_below_alpha():
    for alpha in (0.05, 0.05 / 73):
        levels = nominal_levels(alpha, LOOKS)
        assert list(levels) == sorted(levels) and levels[-1] < alpha
        assert levels[0] == pytest.approx(alpha * 0.04)


@pytest.mark.parametrize('alpha, looks', [(0.0, (2, 3)), (1.0, (2, 3)), (0.05, (3, 3)), (0.05, (0, 3))])
def test_impossible_arguments_are_refused(alpha, looks):
    with pytest.raises(ValueError, match='nominal_levels needs'):
        nominal_levels(alpha, looks)


def test_a_settled_comparison_raises_the_level_of_the_others_at_the_same_look():
    first = nominal_levels(0.025, (2, 4))[0]
    assert first < 0.01 < nominal_levels(0.05, (2, 4))[0]
    assert sequential_holm([[0.01, first / 2]], (2, 4)) == [0, 0]
    assert sequential_holm([[0.01, 0.9]], (2, 4)) == [None, None]


def test_undefined_comparisons_count_and_are_never_settled():
    assert sequential_holm([[float('nan'), 1e-9], [float('nan'), 1.0]], (2, 3)) == [None, 0]
    assert sequential_holm([], (2, 3)) == []


def test_what_is_settled_stays_settled():
    assert sequential_holm([[1e-9], [0.9]], (2, 3)) == [0]
