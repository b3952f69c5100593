"""About how many seeds, or test groups, would decide a comparison that is undecided.

The forecast keeps the measured difference d and both measured variances, and changes the number of seeds S, or of
effective image groups G*, alone. With S' seeds the variance due to seeds would be V_seeds S / S', with as many degrees
of freedom more as there are seeds more; with G' groups that due to groups would be V_groups G* / G', and so would that
due to folds, whose training sets grow with the groups.

The answer is the least S' > S, or G' > G*, for which 0 lies outside the interval at 5 % over the number of tests of the
family, or for which the 90 % interval lies within the equivalence margin. As S' grows, only the groups' part of the
interval stays: if even that decides nothing, seeds do not help, and only more test groups do. It is a rough forecast: d
itself is known no better than its interval.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.analysis.resampling import Estimate, alike, falls_short, half_width

SIGNIFICANCE = 0.05
MOST_SEEDS = 100
MOST_TIMES = 100  # as many groups
Least = Callable[[Estimate, float, np.ndarray], np.ndarray]  # (estimates, margin, tests) to the least that decides
Range = tuple[int, int]


class Forecast(NamedTuple):
    """What would decide a comparison.

    Attributes:
        limited_by: ``seeds``, or ``groups`` where no number of seeds is enough, or ``folds`` where it would be if the
            folds' training sets did not differ; empty where nothing can be said.
        seeds: The least number of seeds; None beyond ``MOST_SEEDS``, or without ``limited_by == 'seeds'``.
        times_groups: How many times as many test groups, with the seeds as they are; None beyond ``MOST_TIMES``.
    """

    limited_by: str
    seeds: int | None
    times_groups: float | None = None


def more_seeds(estimates: Sequence[Estimate | None], margin: float, tests: Sequence[int]) -> list[Forecast]:
    """The forecast for each comparison; see the text above.

    Args:
        estimates: The differences, percent points; one seed does not show how far seeds differ.
        margin: Equivalence margin, percent points; 0 for none.
        tests: The number of tests that are corrected together, of each.
    """
    found = [Forecast('', None)] * len(estimates)
    for rows, est in alike(estimates):
        if est.seeds_covered:
            for row, forecast in zip(rows, _forecasts(est, margin, np.asarray(tests)[rows])):
                found[row] = forecast
    return found


def range_of_seeds(
    estimates: Sequence[Estimate | None], margin: float, tests: Sequence[int]
) -> list[tuple[int | None, int | None]]:
    """The fewest and the most seeds that would decide, over the middle half of what the true difference may be.

    Args: as :func:`more_seeds`.

    Returns:
        list: None where more than ``MOST_SEEDS``, or no number of seeds, would decide.
    """
    return [(fewest or None, most or None) for fewest, most in _ranges(_seeds, estimates, margin, tests)]


def range_of_groups(
    estimates: Sequence[Estimate | None], margin: float, tests: Sequence[int]
) -> list[tuple[float | None, float | None]]:
    """:func:`range_of_seeds` of test groups: how many times as many, with the seeds as they are.

    Returns:
        list: None where more than ``MOST_TIMES`` as many, or no number of groups, would decide.
    """
    ranges = _ranges(_tenths, estimates, margin, tests)
    return [(fewest / 10 if fewest else None, most / 10 if most else None) for fewest, most in ranges]


def _ranges(least: Least, estimates: Sequence[Estimate | None], margin: float, tests: Sequence[int]) -> list[Range]:
    """The fewest and the most that decide, over the middle half of each true difference; 0 for none."""
    found: list[Range] = [(0, 0)] * len(estimates)
    for rows, est in alike(estimates):
        steps = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])[:, None]
        values = est.value + steps * half_width(est, 0.5)
        numbers = least(est._replace(value=values), margin, np.asarray(tests)[rows])
        for row, of_values in zip(rows, numbers.T.tolist()):
            known = [number for number in of_values if number]
            found[row] = (min(known, default=0), max(known) if all(of_values) else 0)
    return found


def _forecasts(est: Estimate, margin: float, tests: np.ndarray) -> Iterator[Forecast]:
    """The forecasts of differences of one form, given as arrays."""
    nothing_to_show = est.undefined | ((est.value == 0) & (margin == 0))
    images = est._replace(variance_seeds=np.zeros_like(est.variance_seeds))
    by_seeds = _decides(images, margin, tests)
    same_training_set = _decides(images._replace(variance_folds=np.zeros_like(est.variance_seeds)), margin, tests)
    limits = np.where(by_seeds, 'seeds', np.where((est.n_folds > 1) & same_training_set, 'folds', 'groups'))
    columns = (nothing_to_show, limits, _seeds(est, margin, tests), _tenths(est, margin, tests))
    for nothing, limit, seeds, times in zip(*(column.tolist() for column in columns)):
        if nothing:
            yield Forecast('', None)
        else:
            yield Forecast(limit, (seeds or None) if limit == 'seeds' else None, times / 10 if times else None)


def _seeds(est: Estimate, margin: float, tests: np.ndarray) -> np.ndarray:
    """The least number of seeds that decides, 0 for none."""
    return _least(lambda number: _decides(_with_seeds(est, number), margin, tests), est, est.n_seeds + 1, MOST_SEEDS)


def _tenths(est: Estimate, margin: float, tests: np.ndarray) -> np.ndarray:
    """The least number of tenths of today's groups that decides, 0 for none."""
    return _least(lambda number: _decides(_with_groups(est, number / 10), margin, tests), est, 11, 10 * MOST_TIMES)


def _with_seeds(est: Estimate, seeds: np.ndarray) -> Estimate:
    many: Any = seeds  # an estimate has one number of seeds; a forecast tries many at once
    return est._replace(variance_seeds=est.variance_seeds * est.n_seeds / many, n_seeds=many)


def _with_groups(est: Estimate, times: np.ndarray) -> Estimate:
    return est._replace(
        variance_groups=est.variance_groups / times,
        effective_groups=est.effective_groups * times,
        variance_folds=est.variance_folds / times,
    )


def _least(decides: Callable[[np.ndarray], np.ndarray], est: Estimate, low: int, high: int) -> np.ndarray:
    """The least number from ``low`` to ``high`` that decides each, if larger ones do, too; 0 if ``high`` does not."""
    shape = np.shape(est.value)
    lows, highs = np.full(shape, low), np.full(shape, high)
    decided = decides(highs)
    while (lows < highs).any():
        middle = (lows + highs) // 2
        enough, going_on = decides(middle), lows < highs
        highs = np.where(going_on & enough, middle, highs)
        lows = np.where(going_on & ~enough, middle + 1, lows)
    return np.where(decided, lows, 0)


def _decides(est: Estimate, margin: float, tests: np.ndarray) -> np.ndarray:
    distance = np.abs(est.value)
    room = margin - distance
    significant = (distance > 0) & falls_short(est, distance, SIGNIFICANCE / tests)
    return significant | ((room > 0) & falls_short(est, room, 2 * SIGNIFICANCE))
