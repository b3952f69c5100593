"""How much of a difference chance alone makes: the band against which every difference is to be seen.

A technique that does nothing stands where other trainings of the baseline would. The baseline has N trainings: its own
seeds, and those of an A/A arm, which trains it again with other seeds. M and V are their mean and variance, on the same
images. Of techniques that do nothing and have n seeds, 95 of 100 lie in the band:

==========================  ============================================================================================
a row minus the baseline    ``M - B ± t(0.05, N - 1) sqrt(V (1 / n + 1 / N))``, where B is the mean of the baseline's n
                            seeds of this pair: all rows that are compared with them share their luck
a row minus any other row   ``0 ± t(0.05, N - 1) sqrt(2 V / n)``: neither side has the luck of the baseline
fewer than three trainings  no band: t is 12.7 or nothing
==========================  ============================================================================================

The 95 of 100 hold as well where the interval of the A/A arm's difference excludes 0, for trainings of the baseline that
vary as a normal distribution: whether it does depends on neither M nor V (Basu's theorem).

A difference between two trainings that lies inside the band is one that chance alone makes. One outside is not shown by
that: the verdict shows it, which knows the test images and the other rows, too. For a difference within one training,
such as that of a refinement, the band says nothing: both sides share the luck of their training.
"""
# N trainings of the baseline, n seeds of a pair

from typing import NamedTuple

import numpy as np
from scipy import special

LEVEL = 0.05
FEWEST_TRAININGS = 3
BY_ARM, BY_SEEDS = 'A/A arm', 'seeds of the baseline'


class Band(NamedTuple):
    """From where to where chance alone brings a difference.

    Attributes:
        low: Percent points; NaN where nothing is known, as with two seeds and no A/A arm.
        high: Percent points.
        source: ``BY_ARM`` or ``BY_SEEDS``; empty where nothing is known.
        n_seeds: The seeds of the pair.
    """

    low: float
    high: float
    source: str
    n_seeds: int

    def turned(self) -> 'Band':
        """The band of the reference minus the stack."""
        return self._replace(low=-self.high, high=-self.low)


NO_BAND = Band(np.nan, np.nan, '', 0)


class Chance:
    """The bands of one score.

    Args:
        baseline: The baseline's score in each of its ok seeds that have learned, (S,).
        again: Those of its A/A arms, which may be none, (A,).
    """

    def __init__(self, baseline: np.ndarray, again: np.ndarray) -> None:
        self._trainings = np.concatenate([baseline, again])
        self._source = BY_ARM if len(again) else BY_SEEDS

    def to_baseline(self, own: np.ndarray) -> Band:
        """Of a row minus the baseline, whose score in each seed of the pair is ``own``, (n,)."""
        number, middle = len(self._trainings), np.mean(self._trainings) - np.mean(own)
        return self._band(float(middle), 1 / len(own) + 1 / number, len(own))

    def between_others(self, n_seeds: int) -> Band:
        """Of two rows, neither of which has the baseline's training."""
        return self._band(0.0, 2 / n_seeds, n_seeds)

    def _band(self, middle: float, variances: float, n_seeds: int) -> Band:
        """The band around ``middle`` of a difference that has so many times the variance of a training."""
        number = len(self._trainings)
        if number < FEWEST_TRAININGS or not np.isfinite(self._trainings).all():
            return NO_BAND
        quantile = -special.stdtrit(number - 1, LEVEL / 2)
        half = float(quantile * np.sqrt(np.var(self._trainings, ddof=1) * variances))
        return Band(middle - half, middle + half, self._source, n_seeds)
