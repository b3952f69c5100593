"""The positive control: a grid that cannot see a known harm cannot say that others do no harm.

Where the comparison of the control with the baseline is no loss by a metric, no difference counts as shown to be small
by that metric: its verdict is ``undecided`` instead of ``equivalent``. Equal predictions stay ``equivalent``: they are
no statistical finding. A grid without a control keeps all its verdicts; one of more than a few rows gets a control by
itself, unless it declines.
"""

from collections.abc import Iterable

from benchmarks.record import CONTROL_DESIGN

A_FEW_ROWS = 10  # a grid of more rows, of any kind, should have a positive control
BY_CONTROL = 'control'  # what limits a comparison that would be equivalent


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
    blind = {row['metric'] for row in controls} - {row['metric'] for row in controls if row['verdict'] == 'loss'}
    return [
        row | undecided if row['verdict'] == 'equivalent' and row['metric'] in blind and not row['same_counts'] else row
        for row in rows
    ]
