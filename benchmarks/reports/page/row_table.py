"""The improvement table of the page: one row per stack, with the columns of all metrics and costs to choose from.

What decides stands first, so that it is seen beside the names on a narrow screen, too: the differences with their
verdicts, and the latency as a multiple of the baseline's.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from benchmarks.analysis.metrics import METRIC_OF, Metric
from benchmarks.record import BASELINE
from benchmarks.reports.chance_text import mark_of
from benchmarks.reports.phrases import (
    NOTHING,
    first_of_pairs,
    interval_text,
    is_step,
    is_step_of_tuned_row,
    number_text,
    plain,
    share_text,
    short,
    verdict_text,
)

MOST_ROWS = 1000
TIMES = 'latency, × baseline'
_BUSY = ' (machine busy)'
# Column of the stack table, head, and whether the column is shown at first.
_COSTS = (
    ('latency_ms_p50', 'latency p50, ms', True),
    ('latency_ms_p95', 'latency p95, ms', False),
    ('throughput_img_s', 'throughput, images/s', False),
    ('train_s', 'train, s', True),
    ('infer_peak_mib', 'inference memory, MiB', False),
    ('train_peak_mib', 'training memory, MiB', False),
    ('params_m', 'parameters, millions', False),
    ('gflops', 'GFLOPs', False),
    ('published_dice', 'published Dice, %', True),
)


class Cell(NamedTuple):
    """A cell.

    Attributes:
        text: What it shows.
        order: The number by which its column is sorted; None where the text is.
        verdict: The verdict that it shows, for its colour; empty for none.
        said: The words behind the text, which may stand in further lines; empty for none.
    """

    text: str
    order: float | None = None
    verdict: str = ''
    said: str = ''


class Column(NamedTuple):
    """A column.

    Attributes:
        kind: What it shows, whatever the metric: columns of one kind are chosen together.
        head: Its head.
        cells: One for each row.
        metric: The metric to which it belongs; empty for none.
        shown: Whether it is shown before anything is chosen.
    """

    kind: str
    head: str
    cells: Sequence[Cell]
    metric: str = ''
    shown: bool = True


def row_columns(stacks: pd.DataFrame, comparisons: pd.DataFrame, chances: pd.DataFrame, asked: Metric) -> list[Column]:
    """The columns after number and name of a row; those without any value are left out.

    Args:
        stacks: The stack table, at most ``MOST_ROWS`` rows of it.
        comparisons: The comparison table.
        chances: The table of accuracy against speed; may be empty.
        asked: The metric of the question, whose columns are shown.
    """
    rows = [row for _, row in stacks.iterrows()]
    names = dict.fromkeys([asked.name, *comparisons['metric'].unique()])
    of_metric = {name: comparisons[comparisons['metric'] == name] for name in names}
    usual, others = zip(*(_differences(rows, of_metric[name], METRIC_OF[name], name == asked.name) for name in names))
    status = [Cell(str(row['status']), verdict='' if row['status'] == 'ok' else 'failed') for row in rows]
    columns = [
        *(column for pair in usual for column in pair),
        Column(TIMES, TIMES, _times_baseline(rows)),
        Column('status', 'status', status, shown=any(cell.text != 'ok' for cell in status)),
        Column('seeds', 'seeds', [_number(row['n_seeds'], f'{row["n_seeds"]}') for row in rows], shown=False),
    ]
    columns += others
    columns += [_scores(rows, METRIC_OF[name], name == asked.name) for name in names]
    columns += [Column(head, head, _costs(rows, name), shown=shown) for name, head, shown in _COSTS]
    front = dict(zip(chances.get('stack', []), chances.get('p_front', [])))
    on_front = [front.get(row['stack'], float('nan')) for row in rows]
    front_head = 'chance to be on the Pareto front of Dice and latency'
    columns.append(Column(front_head, front_head, [_number(p, share_text(p)) for p in on_front], shown=False))
    return [column for column in columns if any(cell.text not in ('', NOTHING) for cell in column.cells)]


def _differences(
    rows: list[pd.Series], of_metric: pd.DataFrame, metric: Metric, shown: bool
) -> tuple[list[Column], Column]:
    """The differences to the row above and to the baseline, and those to another reference."""
    stacks = [row['stack'] for row in rows]
    above = [None, *stacks]
    steps, pairs = first_of_pairs(of_metric[is_step(of_metric)]), first_of_pairs(of_metric)
    label_of = {row['stack']: row['label'] for row in rows}
    of_tuned = first_of_pairs(of_metric[is_step_of_tuned_row(of_metric)])
    tuned = {pair[0]: comparison for pair, comparison in reversed(of_tuned.items())}
    to_row_above = [_step(steps.get(pair), tuned.get(pair[0]), pair[1], label_of) for pair in zip(stacks, above)]
    to_baseline = [_difference(pairs.get((stack, BASELINE))) for stack in stacks]
    told = {(stack, BASELINE) for stack in stacks} | (steps.keys() & set(zip(stacks, above))) | of_tuned.keys()
    others = {stack: pair for stack, pair in reversed([(pair[0], pair) for pair in pairs if pair not in told])}
    to_another = [_to_another(pairs.get(others.get(stack, ('', ''))), label_of) for stack in stacks]
    previous, baseline, other = (
        Column(f'Δ {reference}', f'Δ {metric.title}, {reference}', cells, metric.name, shown)
        for reference, cells in (
            ('previous row', to_row_above),
            ('baseline', to_baseline),
            ('other reference', to_another),
        )
    )
    return [previous, baseline], other


def _step(step: Mapping | None, tuned: Mapping | None, above: str | None, label_of: dict[str, str]) -> Cell:
    """The step from the row above; of a tuned row that from its reference, with the name of a row further up."""
    if step is not None or tuned is None:
        return _difference(step)
    return _difference(tuned) if tuned['reference'] == above else _to_another(tuned, label_of)


def _to_another(comparison: Mapping | None, label_of: dict[str, str]) -> Cell:
    """The difference to a reference that is neither the baseline nor the row above."""
    cell = _difference(comparison)
    if comparison is None:
        return cell
    reference = comparison['reference']
    return cell._replace(said=f'{cell.said} (to “{label_of.get(reference, reference)}”)'.strip())


def _scores(rows: list[pd.Series], metric: Metric, shown: bool) -> Column:
    head = f'{metric.title}, {metric.value_unit} [95 %]'
    return Column('score', head, [_score(row, metric) for row in rows], metric.name, shown)


def _score(row: pd.Series, metric: Metric) -> Cell:
    if not row['n_seeds'] or pd.isna(row[metric.name]):
        return Cell(NOTHING)
    low, high = row[f'{metric.name}_low'], row[f'{metric.name}_high']
    text = _unbroken(f'{plain(row[metric.name])} {interval_text(low, high, sign=False)}')
    if not row['seeds_not_learned']:
        return _number(row[metric.name], text)
    seeds = f'not learned: {row["seeds_not_learned"]} of {row["n_seeds"]} seeds'
    return _number(row[metric.name], f'{text} ({seeds})')._replace(verdict='failed')


def _difference(comparison: Mapping | None) -> Cell:
    if comparison is None:
        return Cell(NOTHING)
    if pd.isna(comparison['delta']):
        return Cell(comparison['verdict'])
    number = _number(comparison['delta'], _unbroken(number_text(comparison, mark_of(comparison))))
    return number._replace(verdict=comparison['verdict'], said=verdict_text(comparison))


def _unbroken(text: str) -> str:
    """A text in which no interval is broken over two lines."""
    return text.replace(', ', ',\u00a0')


def _times_baseline(rows: list[pd.Series]) -> list[Cell]:
    """The latency of each row as a multiple of the baseline's; dashes where either was not measured."""
    baseline = next((row for row in rows if row['stack'] == BASELINE), None)
    if baseline is None:
        return [Cell(NOTHING)] * len(rows)
    times = [row['latency_ms_p50'] / baseline['latency_ms_p50'] for row in rows]
    return [_multiple(one, busy=_busy(row) or _busy(baseline)) for one, row in zip(times, rows)]


def _multiple(times: float, *, busy: bool) -> Cell:
    if pd.isna(times):
        return Cell(NOTHING)
    return _number(times, f'{times:.2f}×' if times < 10 else f'{times:.0f}×')._replace(said=_BUSY.strip() * busy)


def _busy(row: pd.Series) -> bool:
    busy = row.get('machine_busy')
    return isinstance(busy, str) and bool(busy)


def _costs(rows: list[pd.Series], name: str) -> list[Cell]:
    of_machine = name.startswith(('latency', 'throughput'))
    busy = [of_machine and _busy(row) for row in rows]
    texts = [_amount(row[name]) for row in rows]
    return [_number(row[name], text + _BUSY * each) for row, text, each in zip(rows, texts, busy)]


def _amount(value: float) -> str:
    return f'{value:.3g}' if pd.notna(value) and abs(value) < 10 else short(value)


def _number(value: float, text: str) -> Cell:
    return Cell(text, None if pd.isna(value) else float(value))
