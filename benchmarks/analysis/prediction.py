"""The prediction interval of a further seed, from the scores of the seeds that were run."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FEWEST_SEEDS = 3  # with two, the t quantile is 12.7: nearly any score lies inside
LEVEL = 0.95


class Interval(NamedTuple):
    """Two ends of an interval, in the unit of the score."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies inside; NaN lies in no interval."""
        return self.low <= value <= self.high


def prediction_interval(scores: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The interval in which the score of one further seed lies with a given probability.

    For n scores with mean m and standard deviation s (n - 1 in the denominator) it is

        m ± t(n - 1, (1 + level) / 2) · s · sqrt(1 + 1 / n)

    (Hahn and Meeker, "Statistical Intervals", 1991, section 4.7). It assumes that the scores of seeds are independent
    draws of one normal distribution. It is wider than the confidence interval of the mean, which holds the mean of many
    seeds and not the score of one.

    Args:
        scores: A score for each seed.
        level: The probability.

    Returns:
        The interval; None for fewer than :data:`FEWEST_SEEDS` scores, or if a score is undefined (NaN).
    """
    from scipy.stats import t

    values = np.asarray(scores, float)
    n = len(values)
    if n < FEWEST_SEEDS or np.isnan(values).any():
        return None
    middle, half = values.mean(), t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) * math.sqrt(1 + 1 / n)
    return Interval(float(middle - half), float(middle + half))
