"""How far the baseline lies off itself by chance: the band against which every difference is to be seen.

=======================  ==============================================================================================
of a grid with A/A arms  the 95 % interval of the difference between the baseline and the same stack trained with other
                         seeds; of several arms, what their intervals cover together
of other grids           expected from how far the S seeds of the baseline differ: two means of S seeds each differ by
                         at most ``t(0.05, S - 1) sqrt(2 V_seeds)`` in 95 of 100 cases, on the same images; with fewer
                         than three seeds t is 12.7 or nothing, and no band is given
=======================  ==============================================================================================

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
    """A band around no difference.

    Attributes:
        low: Percent points; NaN where nothing is known, as with two seeds and no A/A arm.
        high: Percent points.
        source: ``BY_ARM`` or ``BY_SEEDS``; empty where nothing is known.
    """

    low: float
    high: float
    source: str


NO_BAND = Band(np.nan, np.nan, '')


def chance_band(comparisons: Iterable[Mapping], baseline: np.ndarray) -> Band:
    """The band of one score.

    Args:
        comparisons: The comparisons of a grid by that score, with ``design``, ``low``, ``high`` and ``verdict``.
        baseline: The baseline's score in each of its ok seeds that have learned, (S,).
    """
    arms = [row for row in comparisons if row['design'] == AGAIN_DESIGN and row['verdict'] != 'not learned']
    ends = np.array([(row['low'], row['high']) for row in arms], float).reshape(-1, 2)
    ends = ends[np.isfinite(ends).all(axis=1)]
    if len(ends):
        return Band(float(ends[:, 0].min()), float(ends[:, 1].max()), BY_ARM)
    n_seeds = len(baseline)
    if n_seeds < FEWEST_SEEDS or not np.isfinite(baseline).all():
        return NO_BAND
    quantile = -special.stdtrit(n_seeds - 1, LEVEL / 2)
    half = float(quantile * np.sqrt(2 * np.var(baseline, ddof=1) / n_seeds))
    return Band(-half, half, BY_SEEDS)
