"""Main effects, interactions and Shapley values of a grid, each kind with its intervals."""

import pandas as pd

from benchmarks.reports.effects_table import MAIN, PAIR, SHAPLEY
from benchmarks.reports.page.figure import Figure
from benchmarks.reports.page.forest import Group, forest

_FIRST = (SHAPLEY, MAIN, PAIR)  # the kinds that a reader asks for first
_NOTE = (
    'Percent points of Dice with their 95 % interval, uncorrected. A Shapley value is the mean gain of a technique '
    'over all orders in which the whole stack can be built; an interaction is what two techniques gain together '
    'beyond the sum of what each gains without the other.'
)


def effects_figure(effects: pd.DataFrame) -> Figure | None:
    """The figure; None without effects.

    Args:
        effects: The table of effects.
    """
    if effects.empty:
        return None
    known = effects[effects['value'].notna()]
    kinds = [kind for kind in dict.fromkeys([*_FIRST, *known['kind']]) if (known['kind'] == kind).any()]
    groups = [_group(kind, known[known['kind'] == kind].to_dict('records')) for kind in kinds]
    alt = 'Effects of techniques in company, with intervals.'
    return forest('effects', 'Effect', ('stack', 'technique'), alt, _NOTE, groups, 'effects.csv')


def _group(kind: str, rows: list[dict]) -> Group:
    labels = [f'{row["technique"]} × {row["partner"]}' if row['partner'] else row['technique'] for row in rows]
    return Group(kind, rows, labels, [row['stack'] for row in rows])
