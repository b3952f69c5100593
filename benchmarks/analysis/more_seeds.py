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

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from benchmarks.analysis.resampling import Estimate, half_width, reaches

SIGNIFICANCE = 0.05
MOST_SEEDS = 100
MOST_TIMES = 100  # as many groups
Number = TypeVar('Number', int, float)


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


def more_seeds(est: Estimate, margin: float, tests: int) -> Forecast:
    """The forecast for a comparison; see the text above.

    Args:
        est: The difference of at least two seeds, percent points; one seed does not show how far seeds differ.
        margin: Equivalence margin, percent points; 0 for none.
        tests: The number of tests that are corrected together.
    """
    nothing_to_show = est.value == 0 and margin == 0
    if not est.seeds_covered or np.isnan(est.variance_groups) or nothing_to_show:
        return Forecast('', None)
    seeds = _seeds(est, margin, tests)
    times_groups = _times_groups(est, margin, tests)
    images = est._replace(variance_seeds=np.zeros(()))
    if not _decides(images, margin, tests):
        same_training_set = images._replace(variance_folds=0.0)
        limit = 'folds' if est.n_folds > 1 and _decides(same_training_set, margin, tests) else 'groups'
        return Forecast(limit, None, times_groups)
    return Forecast('seeds', seeds, times_groups)


def range_of_seeds(est: Estimate, margin: float, tests: int) -> tuple[int | None, int | None]:
    """The fewest and the most seeds that would decide, over the middle half of what the true difference may be.

    Args: as :func:`more_seeds`.

    Returns:
        tuple: None where more than ``MOST_SEEDS``, or no number of seeds, would decide.
    """
    return _fewest_and_most([_seeds(possible, margin, tests) for possible in _middle_half(est)])


def range_of_groups(est: Estimate, margin: float, tests: int) -> tuple[float | None, float | None]:
    """:func:`range_of_seeds` of test groups: how many times as many, with the seeds as they are.

    Returns:
        tuple: None where more than ``MOST_TIMES`` as many, or no number of groups, would decide.
    """
    return _fewest_and_most([_times_groups(possible, margin, tests) for possible in _middle_half(est)])


def _middle_half(est: Estimate) -> list[Estimate]:
    """The estimate with five values of the true difference, from the first to the third quartile."""
    half = float(half_width(est, 0.5))
    return [est._replace(value=est.value + step * half) for step in (-1.0, -0.5, 0.0, 0.5, 1.0)]


def _fewest_and_most(found: Sequence[Number | None]) -> tuple[Number | None, Number | None]:
    known = [number for number in found if number is not None]
    return min(known, default=None), None if None in found else max(known)


def _seeds(est: Estimate, margin: float, tests: int) -> int | None:
    return _least(lambda number: _decides(_with_seeds(est, number), margin, tests), est.n_seeds + 1, MOST_SEEDS)


def _times_groups(est: Estimate, margin: float, tests: int) -> float | None:
    tenths = _least(lambda number: _decides(_with_groups(est, number / 10), margin, tests), 11, 10 * MOST_TIMES)
    return None if tenths is None else tenths / 10


def _with_seeds(est: Estimate, seeds: int) -> Estimate:
    return est._replace(variance_seeds=est.variance_seeds * est.n_seeds / seeds, n_seeds=seeds)


def _with_groups(est: Estimate, times: float) -> Estimate:
    return est._replace(
        variance_groups=est.variance_groups / times,
        effective_groups=est.effective_groups * times,
        variance_folds=est.variance_folds / times,
    )


def _least(decides: Callable[[int], bool], low: int, high: int) -> int | None:
    """The least number from ``low`` to ``high`` that decides, if larger ones do, too; None if ``high`` does not."""
    if not decides(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return low


def _decides(est: Estimate, margin: float, tests: int) -> bool:
    distance = abs(float(est.value))
    room = margin - distance
    significant = distance > 0 and not reaches(est, distance, SIGNIFICANCE / tests)
    return significant or (room > 0 and not reaches(est, room, 2 * SIGNIFICANCE))
