"""What the comparison table says of each pair of rows, for sections that speak of the same pairs again.

A pair that the grid compares has one verdict and one interval in the whole report: those of its comparison. Sections
that look through more numbers than those correct over what they look through, and would call the same difference
otherwise. Where seeds are spent until decided, a comparison is judged at the look at which it got its last seeds, or
that settled it; sections judge at the last look, at which other rows have more seeds to lend.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.findings import Finding
from benchmarks.analysis.verdicts import opposite_verdicts
from benchmarks.reports.phrases import verdict_text

_NUMBERS = ('delta', 'low', 'high', 'checkpoints_low', 'checkpoints_high')


class PairVerdict(NamedTuple):
    """What the comparison table says of a pair by one metric.

    Attributes:
        verdict: The verdict on new seeds.
        checkpoints_verdict: That on these checkpoints.
        text: Both in words, with the family where it is not the primary one.
        delta: The difference, stack minus reference; NaN where there is none. Exactly 0 where all counts are equal, as
            are the ends of the intervals.
        low: Lower end of the interval on new seeds.
        high: Its upper end.
        checkpoints_low: Lower end of the interval on these checkpoints.
        checkpoints_high: Its upper end.
        p: p on new seeds, of the look alone; NaN where it is not tested.
        p_corrected: The same, corrected over the family and the looks.
        n_seeds: The seeds behind the difference.
        lenders: The number of arms from which its seed variance is borrowed.
    """

    verdict: str
    checkpoints_verdict: str
    text: str
    delta: float
    low: float
    high: float
    checkpoints_low: float
    checkpoints_high: float
    p: float
    p_corrected: float
    n_seeds: int
    lenders: int

    @property
    def columns(self) -> dict[str, Any]:
        """Verdicts and numbers by their names in the comparison table; the verdicts alone where there is no number."""
        verdicts = dict(verdict=self.verdict, checkpoints_verdict=self.checkpoints_verdict)
        if np.isnan(self.delta):
            return verdicts
        numbers = {name: getattr(self, name) for name in (*_NUMBERS, 'p', 'p_corrected', 'n_seeds', 'lenders')}
        return verdicts | numbers

    def of(self, found: Finding) -> Finding:
        """A finding on this pair, as the comparison table has it on new seeds."""
        told = self.columns
        told['value'] = told.get('delta', found.value)
        return found._replace(**{name: told[name] for name in Finding._fields if name in told})


PairVerdicts = Mapping[tuple[str, str], PairVerdict]  # by stack and reference, in both directions
NONE_COMPARED: PairVerdicts = MappingProxyType({})


def pair_verdicts(comparisons: pd.DataFrame) -> PairVerdicts:
    """What a comparison table says of its pairs; turned round, a gain is a loss.

    Args:
        comparisons: The comparisons by one metric.
    """
    found: dict[tuple[str, str], PairVerdict] = {}
    for comparison in comparisons.to_dict('records'):
        pair = (comparison['stack'], comparison['reference'])
        # The table has no number where nothing acted; the difference is 0 all the same.
        no_effect = dict.fromkeys(_NUMBERS, 0.0) if comparison['verdict'] == 'not effective' else {}
        straight = comparison | no_effect
        for key, told in ((pair, straight), (pair[::-1], _turned(straight))):
            own = {name: told[name] for name in PairVerdict._fields if name != 'text'}
            found.setdefault(key, PairVerdict(text=verdict_text(told), **own))
    return found


def _turned(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison of the reference with the stack."""
    ends = {
        f'{of}{end}': 0.0 - comparison[f'{of}{other}']
        for of in ('', 'checkpoints_')
        for end, other in (('low', 'high'), ('high', 'low'))
    }
    return {**comparison, **ends, **opposite_verdicts(comparison), 'delta': 0.0 - comparison['delta']}
