"""The improvement table of a report: one row per stack, compared with the row above and with the baseline."""

import pandas as pd

from benchmarks.record import BASELINE
from benchmarks.reports.phrases import NOTHING, comparison_of, interval_text, plain, short, signed, table_cell

_HEAD = [
    '| row | Dice, % [95 %] | Δ previous row | Δ baseline | published Dice, % | latency p50, ms | train, s |',
    '|---|---|---|---|---|---|---|',
]


def improvement_table(stacks: pd.DataFrame, dice: pd.DataFrame) -> str:
    """The table in Markdown.

    Args:
        stacks: The stack table.
        dice: The comparisons by Dice.
    """
    above = [None, *stacks['stack']]
    rows = [_row(row, previous, dice) for (_, row), previous in zip(stacks.iterrows(), above)]
    return '\n'.join([*_HEAD, *rows])


def _row(row: pd.Series, previous: str | None, dice: pd.DataFrame) -> str:
    cells = [
        table_cell(row['label']),
        _dice_text(row),
        _delta_text(comparison_of(dice, row['stack'], previous)),
        _delta_text(comparison_of(dice, row['stack'], BASELINE)),
        plain(row['published_dice']),
        _latency_text(row),
        short(row['train_s']),
    ]
    return f'| {" | ".join(cells)} |'


def _latency_text(row: pd.Series) -> str:
    busy = row.get('machine_busy')
    return short(row['latency_ms_p50']) + (' (machine busy)' if isinstance(busy, str) and busy else '')


def _dice_text(row: pd.Series) -> str:
    if not row['n_seeds']:
        return row['status']
    text = f'{plain(row["dice"])} {interval_text(row["dice_low"], row["dice_high"], sign=False)}'
    if row['status'] == 'ok':
        return text
    seeds = '1 seed, so the interval covers images only' if row['n_seeds'] == 1 else f'{row["n_seeds"]} seeds'
    return f'{text} ({seeds}; {row["status"]})'


def _delta_text(comparison: pd.Series | None) -> str:
    if comparison is None:
        return NOTHING
    if pd.isna(comparison['delta']):
        return comparison['verdict']
    return (
        f'{signed(comparison["delta"])} {interval_text(comparison["low"], comparison["high"], sign=True)} '
        f'{_emphasis(comparison["verdict"])}'
    )


def _emphasis(verdict: str) -> str:
    return f'**{verdict}**' if verdict in ('gain', 'loss') else verdict
