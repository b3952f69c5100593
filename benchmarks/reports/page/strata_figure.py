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
    groups = [
        Group(
            f'“{label_of.get(stack, stack)}” against “{label_of.get(reference, reference)}”',
            rows.to_dict('records'),
            list(rows['stratum'].astype(str)),
            list(rows['by']),
        )
        for (stack, reference), rows in known.groupby(['stack', 'reference'], sort=False)
    ]
    alt = 'Gains with intervals in each stratum of the test images.'
    return forest('strata', 'Comparison', ('by', 'stratum'), alt, _NOTE, groups, 'strata.csv')
