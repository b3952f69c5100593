"""The improvement waterfall of a cumulative grid, and the differences to the reference of any other grid."""

from collections.abc import Sequence, Set
from typing import Any

import pandas as pd

from benchmarks.analysis.metrics import METRIC_OF, Metric
from benchmarks.reports.page.figure import (
    BLUE,
    GREY,
    MOST_ROWS,
    ORANGE,
    PALE,
    PALE_BLUE,
    STEP,
    Control,
    Figure,
    specification,
    tooltip,
    usual_range,
)
from benchmarks.reports.phrases import interval_text, signed, verdict_words

_STEPS = 'cumulative'
_DIGITS = 5  # of the place of a bar
_COLOURS = {'gain': BLUE, 'loss': ORANGE, 'equivalent': PALE_BLUE, 'not shown': GREY}


def step_figure(
    stacks: pd.DataFrame, comparisons: pd.DataFrame, metrics: Sequence[str], clean: Set[str]
) -> Figure | None:
    """The figure; None without a difference to draw.

    In a waterfall each bar begins where the one before has ended, and a step without a difference ends the drawing. In
    other grids each bar begins at 0, the reference of its row.

    Args:
        stacks: The stack table.
        comparisons: The comparison table.
        metrics: The metrics to choose from, that of the question first.
        clean: The stacks that compare techniques on the images as they are.
    """
    comparisons = comparisons[comparisons['stack'].isin(clean)]
    steps = comparisons[comparisons['design'] == _STEPS]
    waterfall = not steps.empty
    rows = steps if waterfall else comparisons
    rows = rows.drop_duplicates(['stack', 'reference', 'metric'])
    rows = rows if waterfall else _largest_first(rows, METRIC_OF[metrics[0]])
    label_of = dict(zip(stacks['stack'], stacks['label']))
    bars = [bar for metric in metrics for bar in _bars(rows[rows['metric'] == metric], label_of, waterfall)]
    drawn = [bar for bar in bars if bar['metric'] == metrics[0]]
    if not drawn:
        return None
    return Figure(
        'steps',
        f'{"Waterfall" if waterfall else "Bars"} of {len(drawn)} differences. The table below has all numbers.',
        _spec(bars, metrics[0], waterfall),
        ('row', 'reference', 'Δ', '95 %', 'verdict'),
        [[bar['label'], bar['reference'], signed(bar['delta']), bar['interval'], bar['said']] for bar in drawn],
        [Control('metric', 'Metric', [(METRIC_OF[name].title, _patch(bars, name, waterfall)) for name in metrics])],
        _note(drawn, len(rows[rows['metric'] == metrics[0]]), waterfall),
    )


def _note(drawn: list[dict], n_pairs: int, waterfall: bool) -> str:
    """How to read the figure, and what was left out."""
    sentences = [
        'Each bar begins where the row before ended' if waterfall else 'Each bar begins at the reference of its row',
        '; the line is the 95 % interval of the difference',
        ', the pale band what chance alone gives.' if any(pd.notna(bar['chance_low']) for bar in drawn) else '.',
    ]
    if not waterfall and usual_range(drawn):
        sentences.append(' Bars that reach the edge go further; the number at the right is the whole difference.')
    if len(drawn) < n_pairs:
        rest = 'end with the first step without a difference' if waterfall else 'are those with a difference'
        sentences.append(
            f' {len(drawn)} of {n_pairs} are drawn: they {rest}, {MOST_ROWS} at most; comparisons.csv has all.'
        )
    return ''.join(sentences)


def _largest_first(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The rows of all metrics in the order of the gains by one."""
    sign = -1 if metric.less_is_better else 1
    size = {
        (row['stack'], row['reference']): sign * row['delta']
        for _, row in rows[rows['metric'] == metric.name].iterrows()
    }
    sizes = [size.get(pair, float('nan')) for pair in zip(rows['stack'], rows['reference'])]
    return rows.assign(size=sizes).sort_values('size', ascending=False, kind='stable')


def _bars(rows: pd.DataFrame, label_of: dict[str, str], waterfall: bool) -> list[dict[str, Any]]:
    """The bars of one metric, from the first to the last row, or to the first step that has no difference."""
    bars, start = [], 0.0
    for place, row in enumerate(rows.head(MOST_ROWS).to_dict('records')):
        name = label_of.get(row['stack'], row['stack'])
        if pd.isna(row['delta']):
            if waterfall:
                break
            continue
        bar = dict(
            place=f'{place:0{_DIGITS}}{name}',
            label=name,
            metric=row['metric'],
            reference=label_of.get(row['reference'], row['reference']),
            start=start,
            end=start + row['delta'],
            low=start + row['low'],
            high=start + row['high'],
            chance_low=start + row['chance_low'],
            chance_high=start + row['chance_high'],
            delta=row['delta'],
            number=signed(row['delta']),
            interval=interval_text(row['low'], row['high'], sign=True),
            verdict=row['verdict'] if row['verdict'] in _COLOURS else 'not shown',
            said=verdict_words(row),
        )
        bars.append(bar)
        start += row['delta'] if waterfall else 0.0
    return bars


def _spec(bars: list[dict], metric: str, waterfall: bool) -> dict[str, Any]:
    # The number before a name orders the bars, and keeps rows of one name apart; the axis does not show it.
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    y = dict(field='place', type='ordinal', title=None, axis=axis)
    x = dict(type='quantitative', title=_title(METRIC_OF[metric]), scale=_scale(bars, metric, waterfall))
    fields = dict(label='row', reference='reference', delta='Δ', interval='95 %', said='verdict')
    shown = tooltip(fields, dict(delta='+.2f'))
    colour = dict(
        field='verdict',
        type='nominal',
        title='difference',
        scale=dict(domain=list(_COLOURS), range=list(_COLOURS.values())),
    )
    size = dict(band=0.62)
    layers = [
        dict(
            mark=dict(type='bar', color=PALE, opacity=0.3, height=dict(band=0.98)),
            encoding=dict(x=x | dict(field='chance_low'), x2=dict(field='chance_high')),
        ),
        dict(
            mark=dict(type='bar', height=size),
            encoding=dict(x=x | dict(field='start'), x2=dict(field='end'), color=colour, tooltip=shown),
        ),
        dict(
            name='interval',
            mark=dict(type='rule', strokeWidth=1.5, aria=False),
            encoding=dict(x=x | dict(field='low'), x2=dict(field='high'), tooltip=shown),
        ),
        dict(
            mark=dict(type='text', align='right', dx=-2, fontSize=11, aria=False),
            encoding=dict(x=dict(value='width'), text=dict(field='number')),
        ),
        dict(name='zero', mark=dict(type='rule', strokeDash=[3, 3]), encoding=dict(x=dict(datum=0), y=None)),
    ]
    return specification(
        bars, dict(step=STEP), transform=[dict(filter=f"datum.metric === '{metric}'")], encoding=dict(y=y), layer=layers
    )


def _title(metric: Metric) -> str:
    return f'Δ {metric.title}, {metric.short_unit}{"; less is better" if metric.less_is_better else ""}'


def _scale(bars: list[dict], metric: str, waterfall: bool) -> dict[str, Any]:
    """The axis; there is room for the numbers on its right side."""
    view = None if waterfall else usual_range([bar for bar in bars if bar['metric'] == metric])
    if view is None:
        return dict(zero=True, padding=40)
    low, high = view
    return dict(domain=[low, high + 0.2 * (high - low)], clamp=True, nice=False)


def _patch(bars: list[dict], metric: str, waterfall: bool) -> dict[str, Any]:
    titles = {f'layer.{layer}.encoding.x.title': _title(METRIC_OF[metric]) for layer in range(3)}
    scales = {f'layer.{layer}.encoding.x.scale': _scale(bars, metric, waterfall) for layer in range(3)}
    return {'transform.0.filter': f"datum.metric === '{metric}'", **titles, **scales}
