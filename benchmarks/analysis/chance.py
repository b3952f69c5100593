"""How much of a difference chance alone makes: the band against which every difference is to be seen.

A technique that does nothing stands where another training of the baseline would. How far that may be is known from the
A/A arm, the baseline trained again with other seeds. Be D the arm's difference to the baseline, and D ± H its 95 %
interval. Of null techniques with as many seeds as the arm, 95 of 100 lie inside:

============================  ==========================================================================================
a row minus the baseline      ``D / 2 ± H sqrt(3 / 4)``. Half of D is the luck of this baseline, which all rows share
                              that are compared with it; the other half is that of the arm. The mean of both has half
                              the variance of one, so a third arm differs from it with 3 / 4 of the variance of D
a row minus any other row     ``0 ± H``: neither side has the luck of the baseline
without an A/A arm, any rows  ``0 ± t(0.05, S - 1) sqrt(2 V_seeds)``, expected from how far the S seeds of the baseline
                              differ, on the same images; with fewer than three seeds t is 12.7 or nothing, and no band
                              is given
============================  ==========================================================================================

The 95 of 100 are those of all grids. Among the few grids in which D ± H excludes 0, most have drawn an H that is too
short, and 86 of 100 lie inside with eight seeds, 78 with five and 62 with three. A row with fewer seeds than the arm
varies more than the band, so a difference inside is chance there, too, but one outside may be.

A difference between two trainings that lies inside the band is one that chance alone makes. One outside is not shown by
that: the verdict shows it, which knows the test images and the other rows, too. For a difference within one training,
such as that of a refinement, the band says nothing: both sides share the luck of their training.
"""
# S seeds

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from benchmarks.record import AGAIN_DESIGN

LEVEL = 0.05
FEWEST_SEEDS = 3
BY_ARM, BY_SEEDS = 'A/A arm', 'seeds of the baseline'


class Band(NamedTuple):
    """From where to where chance alone brings a difference.

    Attributes:
        low: Percent points; NaN where nothing is known, as with two seeds and no A/A arm.
        high: Percent points.
        source: ``BY_ARM`` or ``BY_SEEDS``; empty where nothing is known.
    """

    low: float
    high: float
    source: str


NO_BAND = Band(np.nan, np.nan, '')


class Chance(NamedTuple):
    """What chance alone makes of a difference between two trainings.

    Attributes:
        to_baseline: Of a row minus the baseline, or minus a row that has the baseline's training.
        between_others: Of two rows neither of which has the baseline's training.
    """

    to_baseline: Band
    between_others: Band


def chance(comparisons: Iterable[Mapping], baseline: np.ndarray) -> Chance:
    """The bands of one score. Of several arms the widest ends count.

    Args:
        comparisons: The comparisons of a grid by that score, with ``design``, ``low``, ``high`` and ``verdict``.
        baseline: The baseline's score in each of its ok seeds that have learned, (S,).
    """
    arms = [row for row in comparisons if row['design'] == AGAIN_DESIGN and row['verdict'] != 'not learned']
    ends = np.array([(row['low'], row['high']) for row in arms], float).reshape(-1, 2)
    ends = ends[np.isfinite(ends).all(axis=1)]
    if len(ends):
        middle, half = ends.mean(axis=1), np.diff(ends, axis=1)[:, 0] / 2
        low, high = (middle / 2 + sign * np.sqrt(3 / 4) * half for sign in (-1, 1))
        return Chance(Band(float(low.min()), float(high.max()), BY_ARM), _around_zero(half.max(), BY_ARM))
    n_seeds = len(baseline)
    if n_seeds < FEWEST_SEEDS or not np.isfinite(baseline).all():
        return Chance(NO_BAND, NO_BAND)
    quantile = -special.stdtrit(n_seeds - 1, LEVEL / 2)
    band = _around_zero(quantile * np.sqrt(2 * np.var(baseline, ddof=1) / n_seeds), BY_SEEDS)
    return Chance(band, band)


def _around_zero(half: float, source: str) -> Band:
    return Band(-float(half), float(half), source)
