"""Levels of looks: the error of all looks together, and Holm's procedure over them."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.corrections import holm
from benchmarks.analysis.spending import holm_over_looks, nominal_levels, repeated_p

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


def test_a_repeated_p_is_the_error_of_all_looks_at_which_a_look_is_just_significant():
    for error in (0.05, 0.05 / 7, 3e-6, 0.8):
        for look, level in enumerate(nominal_levels(error, LOOKS)):
            assert repeated_p(level, look, LOOKS) == pytest.approx(error, rel=2e-3)
    assert repeated_p(1e-30, 3, LOOKS) < 1e-27
    assert repeated_p(0.9, 0, LOOKS) == repeated_p(1.0, 8, LOOKS) == 1.0
    assert np.isnan(repeated_p(float('nan'), 0, LOOKS))


def test_of_a_single_look_it_is_the_p_itself():
    assert repeated_p(0.0123, 0, (4,)) == 0.0123


def test_a_settled_comparison_lightens_the_task_of_the_others_at_the_same_look():
    settled, corrected = holm_over_looks([[0.03, 0.02]])
    assert settled == [0, 0] and corrected == [0.04, 0.04]
    settled, corrected = holm_over_looks([[0.03, 0.9]])
    assert settled == [None, None] and corrected == [0.06, 0.9]


def test_of_one_look_it_is_holms_procedure():
    p = [0.001, 0.012, 0.3, 0.02, 0.04]
    settled, corrected = holm_over_looks([p])
    assert [at == 0 for at in settled] == (holm(p) < 0.05).tolist() and corrected == pytest.approx(holm(p).tolist())


def test_a_comparison_that_may_not_be_tested_does_not_count_and_another_without_a_test_does():
    rows = [[float('nan'), 0.03], [float('nan'), 1.0]]
    assert holm_over_looks(rows, tested=[False, True])[0] == [None, 0]
    assert holm_over_looks(rows)[0] == [None, None]
    assert holm_over_looks([]) == ([], [])


def test_what_is_settled_stays_settled():
    assert holm_over_looks([[1e-9], [0.9]]) == ([0], [1e-9])
