"""The improvement table of a report: one row per stack, compared with the row above and with the baseline."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from benchmarks.analysis.metrics import DICE, Metric
from benchmarks.record import BASELINE, TUNED_BASELINE
from benchmarks.reports.chance_text import mark_of
from benchmarks.reports.phrases import (
    NOTHING,
    difference_text,
    first_of_pairs,
    interval_text,
    is_step,
    is_step_of_tuned_row,
    plain,
    short,
    table_cell,
)

ROW = 'row'  # the head of the column of names
_STEP, _BASELINE, _PUBLISHED, _SEEDS = 'Δ previous row', 'Δ baseline', 'published Dice, %', 'seeds'
_MAY_BE_LEFT_OUT = (_STEP, _BASELINE, _PUBLISHED)


def improvement_table(stacks: pd.DataFrame, dice: pd.DataFrame, metric: Metric = DICE) -> str:
    """The table in Markdown; the arguments are those of :func:`improvement_rows`."""
    shown, rows = improvement_rows(stacks, dice, metric)
    texts = [[table_cell(row[name]) if name == ROW else row[name] for name in shown] for row in rows]
    lines = [f'| {" | ".join(cells)} |' for cells in (shown, *texts)]
    return '\n'.join([lines[0], f'|{"---|" * len(shown)}', *lines[1:]])


def improvement_rows(
    stacks: pd.DataFrame, dice: pd.DataFrame, metric: Metric = DICE
) -> tuple[list[str], list[dict[str, str]]]:
    """The heads of the columns, and the texts of each row; a difference inside the band of chance has a mark.

    A column of comparisons or published scores is left out if no row has a value in it, and the column of seeds if all
    rows have as many. Two stars around a word make it bold; the names of rows stand as they are.

    Args:
        stacks: The stack table.
        dice: The comparisons by the metric.
        metric: The metric of the question.
    """
    above = ['', *stacks['stack']]  # no row is above the first
    label_of = dict(zip(stacks['stack'], stacks['label']))
    compared = _Compared.by_pair(dice)
    rows = [_row(row, previous, compared, metric, label_of) for (_, row), previous in zip(stacks.iterrows(), above)]
    if stacks.loc[stacks['status'] == 'ok', 'n_seeds'].nunique() < 2:
        rows = [{name: text for name, text in row.items() if name != _SEEDS} for row in rows]
    shown = [name for name in rows[0] if name not in _MAY_BE_LEFT_OUT or any(row[name] != NOTHING for row in rows)]
    return shown, rows


def seeds_text(stacks: pd.DataFrame) -> str:
    """A sentence below the table on levels of rows with unequal numbers of seeds; empty where all have as many."""
    if stacks.loc[stacks['n_seeds'] > 0, 'n_seeds'].nunique() < 2:
        return ''
    return (
        'Rows have unequal numbers of seeds: a level is the mean of all seeds of its row, a Δ uses the seeds that both '
        'rows have. So a Δ need not be the difference of two levels.'
    )


class _Compared(NamedTuple):
    """The comparisons by stack and reference.

    Attributes:
        pairs: The first comparison of each pair.
        steps: The first one of a design that compares steps.
        tuned: The first step of each tuned row, by stack.
    """

    pairs: Mapping[tuple[str, str], Mapping]
    steps: Mapping[tuple[str, str], Mapping]
    tuned: Mapping[str, Mapping]

    @classmethod
    def by_pair(cls, dice: pd.DataFrame) -> '_Compared':
        """From the comparisons by the metric."""
        of_tuned = first_of_pairs(dice[is_step_of_tuned_row(dice)])
        return cls(
            first_of_pairs(dice),
            first_of_pairs(dice[is_step(dice)]),
            {stack: comparison for (stack, _), comparison in reversed(of_tuned.items())},
        )


def _row(
    row: pd.Series, previous: str, compared: _Compared, metric: Metric, label_of: Mapping[str, str]
) -> dict[str, str]:
    """The texts of a row by the heads of their columns."""
    return {
        ROW: row['label'],
        _SEEDS: str(row['n_seeds']),
        f'{metric.title}, {metric.value_unit} [95 %]': _score_text(row, metric.name),
        _STEP: _step_text(row['stack'], previous, compared, label_of),
        _BASELINE: _baseline_text(row['stack'], compared, label_of),
        _PUBLISHED: plain(row['published_dice']),
        'latency p50, ms': _latency_text(row),
        'train, s': short(row['train_s']),
    }


def _latency_text(row: pd.Series) -> str:
    busy = row.get('machine_busy')
    return short(row['latency_ms_p50']) + (' (machine busy)' if isinstance(busy, str) and busy else '')


def _score_text(row: pd.Series, name: str) -> str:
    if not row['n_seeds']:
        return row['status']
    text = f'{plain(row[name])} {interval_text(row[f"{name}_low"], row[f"{name}_high"], sign=False)}'
    if row['seeds_not_learned']:
        text += f' **not learned** ({row["seeds_not_learned"]} of {row["n_seeds"]} seeds)'
    if row['status'] == 'ok':
        return text
    seeds = '1 seed, so the interval covers images only' if row['n_seeds'] == 1 else f'{row["n_seeds"]} seeds'
    return f'{text} ({seeds}; {row["status"]})'


def _step_text(stack: str, previous: str, compared: _Compared, label_of: Mapping[str, str]) -> str:
    """The step from the row above; of a tuned row that from its reference, with the name of a row further up."""
    step, tuned = compared.steps.get((stack, previous)), compared.tuned.get(stack)
    if step is not None or tuned is None:
        return _delta_text(step)
    reference = tuned['reference']
    where = '' if reference == previous else f' (to “{table_cell(label_of.get(reference, reference))}”)'
    return f'{_delta_text(tuned)}{where}'


def _baseline_text(stack: str, compared: _Compared, label_of: Mapping[str, str]) -> str:
    """The difference from the baseline; of a row whose training is tuned that from the tuned baseline."""
    comparison, tuned = (compared.pairs.get((stack, reference)) for reference in (BASELINE, TUNED_BASELINE))
    if comparison is not None or tuned is None:
        return _delta_text(comparison)
    return f'{_delta_text(tuned)} (to “{table_cell(label_of.get(TUNED_BASELINE, TUNED_BASELINE))}”)'


def _delta_text(comparison: Mapping | None) -> str:
    """A difference with its verdict, a gain or a loss in bold."""
    if comparison is None:
        return NOTHING
    text, verdict = difference_text(comparison, mark_of(comparison)), comparison['verdict']
    return text.replace(verdict, f'**{verdict}**', 1) if verdict in ('gain', 'loss') else text
