"""The gain of one comparison in each class, size and other stratum of the test images, with its interval."""

import pandas as pd

from benchmarks.reports.page.figure import Figure
from benchmarks.reports.page.forest import Group, forest

_NOTE = (
    'Percent points with their 95 % interval, uncorrected: strata were looked through, not asked for. A gain that is '
    'shown in one stratum and not in another is no difference between the two.'
)


def strata_figure(strata: pd.DataFrame, label_of: dict[str, str]) -> Figure | None:
    """The figure; None without strata.

    Args:
        strata: The table of strata.
        label_of: The label of each stack.
    """
    if strata.empty:
        return None
    known = strata[strata['gain'].notna()].rename(columns=dict(gain='value'))
    of_pairs: dict[tuple[str, str], list[dict]] = {}
    for row in known.to_dict('records'):
        of_pairs.setdefault((row['stack'], row['reference']), []).append(row)
    groups = [
        Group(
            f'“{label_of.get(stack, stack)}” against “{label_of.get(reference, reference)}”',
            rows,
            [str(row['stratum']) for row in rows],
            [row['by'] for row in rows],
        )
        for (stack, reference), rows in of_pairs.items()
    ]
    alt = 'Gains with intervals in each stratum of the test images.'
    return forest('strata', 'Comparison', ('by', 'stratum'), alt, _NOTE, groups, 'strata.csv')
