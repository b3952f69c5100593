"""The verdicts of the comparison table by pair of rows, for sections that speak of the same pairs again.

A pair that the grid compares has one verdict in the whole report: that of its family in the comparison table. Sections
that look through more numbers than those correct over what they look through, and would call the same difference
otherwise.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from benchmarks.analysis.verdicts import opposite_verdicts
from benchmarks.reports.phrases import verdict_text


class PairVerdict(NamedTuple):
    """What the comparison table says of a pair.

    Attributes:
        verdict: The verdict on new seeds.
        checkpoints_verdict: That on these checkpoints.
        text: Both in words, with the family where it is not the primary one.
    """

    verdict: str
    checkpoints_verdict: str
    text: str


PairVerdicts = Mapping[tuple[str, str], PairVerdict]  # by stack and reference, in both directions
NONE_COMPARED: PairVerdicts = MappingProxyType({})


def pair_verdicts(comparisons: pd.DataFrame) -> PairVerdicts:
    """The verdicts on the pairs of a comparison table; turned round, a gain is a loss.

    Args:
        comparisons: The comparisons by one metric.
    """
    found: dict[tuple[str, str], PairVerdict] = {}
    for comparison in comparisons.to_dict('records'):
        pair = (comparison['stack'], comparison['reference'])
        turned = comparison | opposite_verdicts(comparison)
        for key, told in ((pair, comparison), (pair[::-1], turned)):
            found.setdefault(key, PairVerdict(told['verdict'], told['checkpoints_verdict'], verdict_text(told)))
    return found
