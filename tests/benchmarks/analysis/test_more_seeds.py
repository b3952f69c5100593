import numpy as np
import pytest

from benchmarks.analysis.more_seeds import more_seeds, range_of_groups, range_of_seeds
from benchmarks.analysis.resampling import Estimate


def difference(value, groups, seeds, n_seeds=2):
    return Estimate(np.array(value), np.array(groups), np.array(seeds), np.array(10.0), n_seeds)


def forecast(est, margin, tests):
    return more_seeds([est], margin, [tests])[0]


def test_seeds_by_hand():
    # Per seed 2 * 0.5 = 1, so the half width with S' seeds is t(5 %, S' - 1) / sqrt(S'):
    # 4.303 / 1.732 = 2.48 with three, 3.182 / 2 = 1.59 with four, 2.776 / 2.236 = 1.24 with five.
    assert forecast(difference(2.0, 0.0, 0.5), 0.0, 1) == ('seeds', 4, None)
    assert forecast(difference(1.5, 0.0, 0.5), 0.0, 1) == ('seeds', 5, None)
    # Two tests: 2.5 % each. t is 4.177 / 2 = 2.09 with four, 3.495 / 2.236 = 1.56 with five.
    assert forecast(difference(2.0, 0.0, 0.5), 0.0, 2) == ('seeds', 5, None)


def test_equivalence_decides_as_well():
    # t(10 %) is 2.920 / 1.732 = 1.69 with three, 2.353 / 2 = 1.18 with four.
    assert forecast(difference(0.0, 0.0, 0.5), 1.2, 1) == ('seeds', 4, None)


def test_groups_limit_where_no_number_of_seeds_is_enough():
    # Groups alone: t(5 %, 9) = 2.262 times 1 is more than the difference of 2.
    assert forecast(difference(2.0, 1.0, 0.5), 0.0, 1) == ('groups', None, None)
    # 1.4 times as many: t(5 %, 13) / sqrt(1.4) = 2.160 / 1.183 = 1.83; with 1.2 times 2.201 / 1.095 = 2.01.
    assert forecast(difference(2.0, 1.0, 0.0), 0.0, 1) == ('groups', None, 1.3)


def test_groups_decide_as_well_with_the_seeds_as_they_are():
    # Seeds: t(5 %, 1)^2 times 0.01 = 1.61; groups leave 4 - 1.61 = 2.39, so t(5 %, df)^2 0.5 / times <= 2.39.
    few = forecast(difference(2.0, 0.5, 0.01), 0.0, 1)
    assert few.limited_by == 'seeds' and few.seeds == 3 and few.times_groups == 1.1


def test_a_borrowed_variance_keeps_its_degrees_of_freedom_in_the_forecast():
    lent = difference(2.0, 0.0, 0.5)._replace(prior_freedom=3.0, lenders=30)
    # Per seed 1: t(5 %, 3 + S' - 1) / sqrt(S') is 2.571 / 1.732 = 1.48 with three.
    assert forecast(lent, 0.0, 1).seeds == 3
    assert forecast(difference(2.0, 0.0, 0.5), 0.0, 1).seeds == 4


def test_very_many_seeds_are_not_counted_out():
    assert forecast(difference(0.1, 0.0, 5.0), 0.0, 1) == ('seeds', None, None)


def test_no_difference_without_a_margin_is_never_decided():
    assert forecast(difference(0.0, 1.0, 0.5), 0.0, 1) == ('', None, None)


@pytest.mark.parametrize('groups, n_seeds', [(1.0, 1), (float('nan'), 2)])
def test_nothing_is_said_without_both_variances(groups, n_seeds):
    assert forecast(difference(2.0, groups, 0.5, n_seeds), 0.0, 1) == ('', None, None)


@pytest.mark.parametrize('part', ['variance_groups', 'variance_seeds', 'variance_folds'])
@pytest.mark.parametrize('borrowed', [0.0, 3.0])
def test_nothing_is_said_where_a_variance_is_undefined(part, borrowed):
    """As that of the folds is where no image outside of one fold shows the class."""
    known = difference(2.0, 0.5, 0.5)._replace(variance_folds=np.array(0.5), n_folds=4, prior_freedom=borrowed)
    est = known._replace(**{part: np.array(np.nan)})
    assert forecast(known, 3.0, 1) != forecast(est, 3.0, 1) == ('', None, None)
    assert range_of_seeds([est], 3.0, [1]) == range_of_groups([est], 3.0, [1]) == [(None, None)]


def test_the_range_is_over_the_middle_half_of_what_the_difference_may_be():
    # t(50 %, 1) is 1, so the middle half reaches sqrt(0.02) = 0.14 to either side. With S' seeds the half width is
    # t(5 %, S' - 1) 0.2 / sqrt(S'): 0.50 with three, 0.32 with four, 0.25 with five, 0.21 with six, 0.18 with seven.
    est = difference(0.4, 0.0, 0.02)
    assert forecast(est, 0.0, 1).seeds == 4
    assert range_of_seeds([est], 0.0, [1])[0] == (3, 5)
    assert range_of_seeds([difference(0.14, 0.0, 0.02)], 0.0, [1])[0][1] is None  # it may be next to none


def test_the_range_of_test_groups_is_over_the_same_middle_half():
    # t(50 %, 9) is 0.703, so the middle half of 2.0 with a standard error of 1 reaches from 1.30 to 2.70. With T times
    # as many groups the half width is t(5 %, 10 T - 1) / sqrt(T): 2.23 with 1.1 (2.70 is shown at once), 1.83 with 1.4
    # and 1.91 with 1.3 (2.0 is shown), 1.34 with 2.4 and 1.31 with 2.5, so that 1.297 needs 2.6.
    est = difference(2.0, 1.0, 0.0)
    assert forecast(est, 0.0, 1).times_groups == 1.3
    assert range_of_groups([est], 0.0, [1]) == [(1.1, 2.6)]
    assert range_of_groups([difference(0.7, 1.0, 0.0)], 0.0, [1])[0][1] is None  # it may be next to none


def test_many_forecasts_at_once_are_those_of_each():
    """Forms alternate: of one, two and three seeds, some that borrow, some with folds, and none."""
    rng = np.random.default_rng(0)
    estimates = [difference(*rng.gamma(1.0, (1.0, 0.3, 0.3)), n_seeds) for n_seeds in (2, 3, 1) * 8]
    estimates[::4] = [est._replace(prior_freedom=3.0) for est in estimates[::4]]
    estimates[1::6] = [est._replace(n_folds=5, variance_folds=0.2) for est in estimates[1::6]]
    estimates[5] = None
    tests = [1 + place % 3 for place in range(len(estimates))]
    forecasts = more_seeds, range_of_seeds, range_of_groups
    together, *ranges = (of(estimates, 0.5, tests) for of in forecasts)
    assert len({one.limited_by for one in together}) > 2
    for est, number, *found in zip(estimates, tests, together, *ranges):
        assert found == [of([est], 0.5, [number])[0] for of in forecasts]
