"""The row that the answer of a report recommends: the largest shown gain over the baseline within twice its latency."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.metrics import Metric, metric_asked
from benchmarks.analysis.verdicts import BOTH_VERDICTS, OPPOSITE
from benchmarks.record import BASELINE, TUNING_DESIGN
from benchmarks.reports.arms import clean_rows
from benchmarks.reports.results import Results
from benchmarks.reports.table import judged

# What becomes what when a difference is turned round.
_SIGNED = ('delta', 'low', 'high', 'checkpoints_low', 'checkpoints_high')
_OTHER_END = dict(
    stack='reference',
    reference='stack',
    low='high',
    high='low',
    checkpoints_low='checkpoints_high',
    checkpoints_high='checkpoints_low',
)
BUDGET = 2.0  # times the latency of the baseline


def of_clean_rows(
    grid: Mapping[str, Any], comparisons: pd.DataFrame, metric: Metric
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The comparisons by a metric that answer which row helps, and those of tuned rows with their own default values.

    Rows under a condition and rows that test the grid are left out. Where a row has a part of its reference's
    techniques, the difference is turned round: that a stack gains by doing without a technique is a loss by it. A
    column ``left_out`` then names these techniques, and is empty elsewhere. Of the first table each pair stands once,
    the largest gain first.

    Args:
        grid: The content of ``grid.json``.
        comparisons: The comparison table.
        metric: The metric of the question.
    """
    clean = {row['stack'] for row in clean_rows(grid)}
    of_metric = comparisons[
        (comparisons['metric'] == metric.name) & comparisons[['stack', 'reference']].isin(clean).all(axis=1)
    ]
    is_choice = of_metric['design'].str.split('@').str[0] == TUNING_DESIGN
    pairs = from_more_to_fewer(of_metric[~is_choice]).drop_duplicates(['stack', 'reference'])
    sign = -1 if metric.less_is_better else 1
    ordered = pairs.assign(size=sign * pairs['delta']).sort_values('size', ascending=False, kind='stable')
    return ordered, of_metric[is_choice]


def from_more_to_fewer(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons, each of the row with more techniques against that with fewer, where one has all of the other.

    A column ``left_out`` names the techniques that the row with fewer lacks, where a comparison was turned round for
    that; it is empty elsewhere.
    """
    ends = zip(comparisons['stack'], comparisons['reference'])
    fewer = np.array([_techniques(stack) < _techniques(reference) for stack, reference in ends], bool)
    turned = comparisons[fewer].rename(columns=_OTHER_END)
    left_out = [_left_out(stack, reference) for stack, reference in zip(turned['stack'], turned['reference'])]
    turned = turned.assign(
        left_out=left_out,
        **{name: -turned[name] for name in _SIGNED},
        **{name: turned[name].replace(OPPOSITE) for name in BOTH_VERDICTS},
    )
    return pd.concat([comparisons[~fewer].assign(left_out=''), turned]).sort_index(kind='stable')


def _left_out(stack: str, reference: str) -> str:
    """The techniques of a stack that its reference lacks, in their order, with + between them."""
    return '+'.join(name for name in stack.split('+') if name not in _techniques(reference))


def _techniques(stack: str) -> frozenset[str]:
    return frozenset() if stack == BASELINE else frozenset(stack.split('+'))


def best_within_budget(pairs: pd.DataFrame, latency: Mapping[str, float]) -> pd.Series | None:
    """The comparison of the recommended row with the baseline; None where no gain within the budget is shown.

    Args:
        pairs: The comparisons, the largest gain first.
        latency: The median latency of each stack, ms.
    """
    limit = BUDGET * latency.get(BASELINE, np.nan)
    fast = pairs['stack'].map(latency) <= limit
    found = pairs[(pairs['verdict'] == 'gain') & (pairs['reference'] == BASELINE) & fast]
    return None if found.empty else found.iloc[0]


def recommended(results: Results) -> str | None:
    """The stack that the answer of a report recommends; None where the baseline remains the choice."""
    metric = metric_asked(results.grid)
    rows: Sequence[Mapping] = judged(results, (metric.name,))
    if not rows:
        return None
    pairs, _ = of_clean_rows(results.grid, pd.DataFrame(rows), metric)
    measured = {stack: profile for stack, profile in results.profiles.items() if profile['status'] == 'ok'}
    latency = {stack: float(np.median(profile['latency_ms']['total'])) for stack, profile in measured.items()}
    best = best_within_budget(pairs, latency)
    return None if best is None else str(best['stack'])
