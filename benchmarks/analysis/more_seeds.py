"""About how many seeds would decide a comparison that is undecided.

The forecast keeps the measured difference d and both measured variances, and changes the number of seeds S alone. With
S' seeds the half width at level a would be

    sqrt(t(a, G* - 1)^2 V_groups + t(a, S' - 1)^2 V_seeds S / S')

The answer is the least S' > S for which |d| exceeds the half width at 5 % over the number of tests of the family, or
for which |d| plus the half width at 10 % stays below the equivalence margin. As S' grows, only the first addend stays:
if even it decides nothing, seeds do not help, and only more test groups do. It is a rough forecast: d itself is known
no better than its interval.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.analysis.resampling import Estimate, half_width

SIGNIFICANCE = 0.05
MOST_SEEDS = 100


class Forecast(NamedTuple):
    """What would decide a comparison.

    Attributes:
        limited_by: ``seeds``, or ``groups`` where no number of seeds is enough; empty where nothing can be said.
        seeds: The least number of seeds; None beyond ``MOST_SEEDS``, or without ``limited_by == 'seeds'``.
    """

    limited_by: str
    seeds: int | None


def more_seeds(est: Estimate, margin: float, tests: int) -> Forecast:
    """The forecast for a comparison; see the text above.

    Args:
        est: The difference of at least two seeds, percent points; one seed does not show how far seeds differ.
        margin: Equivalence margin, percent points; 0 for none.
        tests: The number of tests that are corrected together.
    """
    nothing_to_show = est.value == 0 and margin == 0
    if not est.seeds_covered or np.isnan(half_width(est, SIGNIFICANCE)) or nothing_to_show:
        return Forecast('', None)
    if not _decides(est._replace(variance_seeds=np.zeros(())), margin, tests):
        return Forecast('groups', None)
    for seeds in range(est.n_seeds + 1, MOST_SEEDS + 1):
        variance = est.variance_seeds * est.n_seeds / seeds
        if _decides(est._replace(variance_seeds=variance, n_seeds=seeds), margin, tests):
            return Forecast('seeds', seeds)
    return Forecast('seeds', None)


def _decides(est: Estimate, margin: float, tests: int) -> bool:
    distance = abs(float(est.value))
    significant = distance > half_width(est, SIGNIFICANCE / tests)
    return bool(significant or distance + half_width(est, 2 * SIGNIFICANCE) < margin)
