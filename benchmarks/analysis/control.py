"""The positive control: a grid that cannot see a known harm cannot say that others do no harm.

The harm shows by a metric where the comparison of the control with the baseline is a loss. It also shows by a metric
by which the control scores worse, where the control has learned nothing in all of two shared seeds or more, and the
baseline in each; or nothing in more seeds than chance explains (:func:`benchmarks.analysis.learning.fails_more_often`).
The scores of such a comparison are not tested, and its verdict is ``not learned``.

By a metric by which no harm shows, no difference counts as shown to be small: its verdict is ``undecided`` instead of
``equivalent``. Equal predictions stay ``equivalent``: they are no statistical finding. A grid without a control keeps
all its verdicts; one of more than a few rows gets a control by itself, unless it declines.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.record import CONTROL_DESIGN

A_FEW_ROWS = 10  # a grid of more rows, of any kind, should have a positive control
BY_CONTROL = 'control'  # what limits a comparison that would be equivalent


def harm_shows(control: Mapping[str, Any]) -> bool:
    """Whether the harm of a positive control shows by the metric of a comparison with the baseline.

    Args:
        control: The comparison, a row of :func:`benchmarks.analysis.verdicts.compare`.
    """
    if control['verdict'] == 'loss':
        return True
    less_is_better = METRIC_OF[control['metric']].less_is_better
    worse = control['delta'] > 0 if less_is_better else control['delta'] < 0
    return bool(control['failed_alone'] and control['seeds_covered'] and worse)


def without_blind_equivalence(rows: Iterable[dict]) -> list[dict]:
    """The verdicts of :func:`benchmarks.analysis.verdicts.compare`, in the light of the positive control.

    Args:
        rows: Its rows.

    Returns:
        The rows; those that lose the verdict ``equivalent`` have ``limited_by='control'``.
    """
    rows = list(rows)
    undecided = dict(verdict='undecided', limited_by=BY_CONTROL, seeds_to_decide=None, false_claim_chance=float('nan'))
    controls = [row for row in rows if row['design'] == CONTROL_DESIGN]
    blind = {row['metric'] for row in controls} - {row['metric'] for row in controls if harm_shows(row)}
    return [
        row | undecided if row['verdict'] == 'equivalent' and row['metric'] in blind and not row['same_counts'] else row
        for row in rows
    ]
