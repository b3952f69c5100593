"""What further test-time views give, and what they cost: a section of a report, from the table of views."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.reports.phrases import interval_text, plain, signed, table_cell

_ONE_SEED = '; with one seed verdicts speak of the network that was trained alone'
MOST_ROWS = 12


def views_answer(views: pd.DataFrame, label_of: Mapping[str, str]) -> str:
    """The section in Markdown; empty without rows.

    Args:
        views: The table of views.
        label_of: The label of each stack.
    """
    if views.empty:
        return ''
    listed = '\n'.join(f'- {_sentence(row, label_of)}' for _, row in views.head(MOST_ROWS).iterrows())
    more = len(views) - MOST_ROWS
    rest = f'\n- and {more} more in the table.' if more > 0 else ''
    one_seed = _ONE_SEED if (views['n_seeds'] == 1).any() else ''
    closing = (
        'Dice points [95 %, uncorrected] among rows of one training without refinements. A pair of rows that the grid '
        'compares has its interval and verdict of [comparisons.csv](comparisons.csv); others are corrected over all '
        f'pairs of this section{one_seed}. A view counts for the mean of those that are added. All rows: '
        '[views.csv](views.csv). More views need not contain the fewer ones: flips may stand against scales.'
    )
    return '\n\n'.join(['### What does each further view give', listed + rest, closing])


def _sentence(row: pd.Series, label_of: Mapping[str, str]) -> str:
    """What a set of views gains on the fewest, a view and a millisecond, and on the next smaller number."""
    added = row['views'] - row['views_of_reference']
    text = (
        f'“{table_cell(label_of[row["stack"]])}” ({row["views"]} views) against '
        f'“{label_of[row["reference"]]}” ({row["views_of_reference"]}): {_number(row, "gain", "")} points '
        f'({row["verdict"]}), {signed(row["gain_per_view"], 2)} for each of {added} more '
        f'view{"s" * (added > 1)}'
    )
    if not pd.isna(row['ms_per_view']):
        text += f' at {plain(row["ms_per_view"])} ms'
    if row['before'] != row['reference']:
        text += (
            f'; against “{label_of[row["before"]]}”, which has the next smaller number of views, '
            f'{_number(row, "step", "step_")} ({row["step_verdict"]})'
        )
    return f'{text}.'


def _number(row: pd.Series, name: str, before: str) -> str:
    return f'{signed(row[name])} {interval_text(row[f"{before}low"], row[f"{before}high"], sign=True)}'
