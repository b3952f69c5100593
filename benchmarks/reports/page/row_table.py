"""The improvement table of the page: one row per stack, with the columns of all metrics and costs to choose from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from benchmarks.analysis.metrics import METRIC_OF, Metric
from benchmarks.record import BASELINE
from benchmarks.reports.chance_text import MARK, is_inside
from benchmarks.reports.phrases import (
    NOTHING,
    interval_text,
    is_step,
    is_step_of_tuned_row,
    plain,
    short,
    signed,
    verdict_words,
)

MOST_ROWS = 1000
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
    """

    text: str
    order: float | None = None
    verdict: str = ''


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
    status = [Cell(str(row['status']), verdict='' if row['status'] == 'ok' else 'failed') for row in rows]
    columns = [Column('status', 'status', status, shown=any(cell.text != 'ok' for cell in status))]
    columns.append(
        Column('seeds', 'seeds', [_number(row['n_seeds'], f'{row["n_seeds"]}') for row in rows], shown=False)
    )
    for name in dict.fromkeys([asked.name, *comparisons['metric'].unique()]):
        columns += _of_metric(rows, comparisons[comparisons['metric'] == name], METRIC_OF[name], name == asked.name)
    columns += [Column(head, head, _costs(rows, name), shown=shown) for name, head, shown in _COSTS]
    front = dict(zip(chances.get('stack', []), chances.get('p_front', [])))
    on_front = [front.get(row['stack'], float('nan')) for row in rows]
    front_head = 'on the front of Dice and latency'
    columns.append(Column(front_head, front_head, [_number(p, _percent(p)) for p in on_front], shown=False))
    return [column for column in columns if any(cell.text not in ('', NOTHING) for cell in column.cells)]


def _of_metric(rows: list[pd.Series], of_metric: pd.DataFrame, metric: Metric, shown: bool) -> Iterator[Column]:
    """Score, and the differences to the row above, to the baseline, and to another reference."""
    stacks = [row['stack'] for row in rows]
    above = [None, *stacks]
    yield Column(
        'score',
        f'{metric.title}, {metric.value_unit} [95 %]',
        [_score(row, metric) for row in rows],
        metric.name,
        shown,
    )
    steps, pairs = _first_of_pairs(of_metric[is_step(of_metric)]), _first_of_pairs(of_metric)
    label_of = {row['stack']: row['label'] for row in rows}
    of_tuned = _first_of_pairs(of_metric[is_step_of_tuned_row(of_metric)])
    tuned = {pair[0]: comparison for pair, comparison in reversed(of_tuned.items())}
    to_row_above = [_step(steps.get(pair), tuned.get(pair[0]), pair[1], label_of) for pair in zip(stacks, above)]
    yield Column('Δ previous row', f'Δ {metric.title}, previous row', to_row_above, metric.name, shown)
    to_baseline = [_difference(pairs.get((stack, BASELINE))) for stack in stacks]
    yield Column('Δ baseline', f'Δ {metric.title}, baseline', to_baseline, metric.name, shown)
    told = {(stack, BASELINE) for stack in stacks} | (steps.keys() & set(zip(stacks, above))) | of_tuned.keys()
    others = {stack: pair for stack, pair in reversed([(pair[0], pair) for pair in pairs if pair not in told])}
    to_another = [_to_another(pairs.get(others.get(stack, ('', ''))), label_of) for stack in stacks]
    yield Column('Δ other reference', f'Δ {metric.title}, other reference', to_another, metric.name, shown)


def _first_of_pairs(comparisons: pd.DataFrame) -> dict[tuple[str, str], dict]:
    """The first comparison of each pair of stack and reference."""
    found: dict[tuple[str, str], dict] = {}
    for comparison in comparisons.to_dict('records'):
        found.setdefault((comparison['stack'], comparison['reference']), comparison)
    return found


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
    return cell._replace(text=f'{cell.text} (to “{label_of.get(reference, reference)}”)')


def _score(row: pd.Series, metric: Metric) -> Cell:
    if not row['n_seeds'] or pd.isna(row[metric.name]):
        return Cell(NOTHING)
    low, high = row[f'{metric.name}_low'], row[f'{metric.name}_high']
    text = f'{plain(row[metric.name])} {interval_text(low, high, sign=False)}'
    if not row['seeds_not_learned']:
        return _number(row[metric.name], text)
    seeds = f'not learned: {row["seeds_not_learned"]} of {row["n_seeds"]} seeds'
    return _number(row[metric.name], f'{text} ({seeds})')._replace(verdict='failed')


def _difference(comparison: Mapping | None) -> Cell:
    if comparison is None:
        return Cell(NOTHING)
    if pd.isna(comparison['delta']):
        return Cell(comparison['verdict'])
    delta = signed(comparison['delta']) + (MARK if is_inside(comparison) else '')
    interval = interval_text(comparison['low'], comparison['high'], sign=True)
    text = f'{delta} {interval} {verdict_words(comparison)}'
    of_checkpoints = comparison['checkpoints_verdict']
    if comparison['verdict'] == 'undecided' and of_checkpoints in ('gain', 'loss'):
        text += f' (these checkpoints: {of_checkpoints})'
    return _number(comparison['delta'], text)._replace(verdict=comparison['verdict'])


def _costs(rows: list[pd.Series], name: str) -> list[Cell]:
    of_machine = name.startswith(('latency', 'throughput'))
    busy = [of_machine and isinstance(row.get('machine_busy'), str) and bool(row['machine_busy']) for row in rows]
    texts = [_amount(row[name]) for row in rows]
    return [_number(row[name], text + _BUSY * each) for row, text, each in zip(rows, texts, busy)]


def _amount(value: float) -> str:
    return f'{value:.3g}' if pd.notna(value) and abs(value) < 10 else short(value)


def _number(value: float, text: str) -> Cell:
    return Cell(text, None if pd.isna(value) else float(value))


def _percent(share: float) -> str:
    """A chance in percent, as the section on speed writes it."""
    if pd.isna(share):
        return NOTHING
    if share < 0.005:
        return '< 1 %'
    return '> 99 %' if share > 0.995 else f'{100 * share:.0f} %'
