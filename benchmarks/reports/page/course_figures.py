"""Two figures of how rows work: the parts of an inference's time, and the loss over a training."""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.record import cell_name
from benchmarks.reports.page.figure import (
    BLUE,
    MOST_ROWS,
    ORANGE,
    PURPLE,
    STEP,
    Control,
    Figure,
    left_out,
    specification,
    tooltip,
)
from benchmarks.reports.phrases import NOTHING, short
from benchmarks.reports.table import PARTS, Results, ok_seeds

_NAMES = dict(preprocess='load and preprocess', views='network, all views', refine='refinements')
_COLOURS = dict(zip(PARTS, (PURPLE, BLUE, ORANGE)))
MOST_CURVES = 100
_DIGITS = 5


def latency_figure(stacks: pd.DataFrame) -> Figure | None:
    """The median time of each part of an inference, one bar per row; None without a profile that has parts.

    Args:
        stacks: The stack table.
    """
    columns = {part: f'latency_ms_{part}_p50' for part in PARTS}
    known = stacks[stacks[list(columns.values())].notna().any(axis=1)]
    if known.empty:
        return None
    rows = [(place, row) for place, (_, row) in enumerate(known.head(MOST_ROWS).iterrows())]
    values = [
        dict(
            place=f'{place:0{_DIGITS}}{row["label"]}',
            label=row['label'],
            part=_NAMES[part],
            order=order,
            ms=row[column],
        )
        for place, row in rows
        for order, (part, column) in enumerate(columns.items())
        if pd.notna(row[column])
    ]
    note = (
        'Medians of each part, measured apart; their sum need not be the median of the whole. '
        f'{left_out(len(known), MOST_ROWS, "table.csv")}'
    )
    return Figure(
        'latency',
        f'Stacked bars of {len(rows)} rows: time of each part of an inference. The table below has all numbers.',
        _latency_spec(values),
        ('row', *(f'{_NAMES[part]}, ms' for part in PARTS), 'whole, p50, ms'),
        [
            [row['label'], *(short(row[columns[part]]) for part in PARTS), short(row['latency_ms_p50'])]
            for _, row in rows
        ],
        note=note.strip(),
    )


def _latency_spec(values: list[dict]) -> dict[str, Any]:
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    colour = dict(
        field='part',
        type='nominal',
        title=None,
        scale=dict(domain=list(_NAMES.values()), range=[_COLOURS[part] for part in PARTS]),
    )
    return specification(
        values,
        dict(step=STEP),
        mark=dict(type='bar'),
        encoding=dict(
            y=dict(field='place', type='ordinal', title=None, axis=axis),
            x=dict(field='ms', type='quantitative', title='ms per image'),
            order=dict(field='order'),
            color=colour,
            tooltip=tooltip(dict(label='row', part='part', ms='ms'), dict(ms='.3~g')),
        ),
    )


def learning_figure(results: Results, stacks: pd.DataFrame) -> Figure | None:
    """The mean loss of each tenth of a training, mean over seeds; None where no record has it.

    Losses of different kinds have different units, so that the figure shows one row at a time.

    Args:
        results: The records of the grid.
        stacks: The stack table.
    """
    curves = [(row['label'], curve) for _, row in stacks.iterrows() if (curve := _curve(results, row['stack']))]
    if not curves:
        return None
    drawn = curves[:MOST_CURVES]
    values = [
        dict(curve=number, label=label, tenth=tenth, loss=loss)
        for number, (label, curve) in enumerate(drawn)
        for tenth, loss in enumerate(curve, start=1)
    ]
    x = dict(field='tenth', type='ordinal', title='tenth of the steps', axis=dict(labelAngle=0))
    shown = tooltip(dict(label='row', tenth='tenth', loss='mean loss'), dict(loss='.4~g'))
    spec = specification(
        values,
        260,
        transform=[dict(filter='datum.curve === 0')],
        mark=dict(type='line', color=BLUE, point=dict(size=60), strokeWidth=2),
        encoding=dict(
            x=x, y=dict(field='loss', type='quantitative', title='mean loss', scale=dict(zero=False)), tooltip=shown
        ),
    )
    choices = [(label, {'transform.0.filter': f'datum.curve === {number}'}) for number, (label, _) in enumerate(drawn)]
    lengths = max(len(curve) for _, curve in drawn)
    return Figure(
        'learning',
        'Line of the mean loss of each tenth of a training. The table below has the numbers of all rows.',
        spec,
        ('row', *(f'tenth {tenth}' for tenth in range(1, lengths + 1))),
        [[label, *(f'{loss:.4g}' for loss in curve), *[NOTHING] * (lengths - len(curve))] for label, curve in drawn],
        [Control('curve', 'Row', choices)],
        f'Losses of different rows may have different units. {left_out(len(curves), MOST_CURVES, "records/")}'.strip(),
    )


def _curve(results: Results, stack: str) -> list[float]:
    """The mean over seeds; empty where seeds have no course, or courses of different lengths."""
    trainings = [results.records[cell_name(stack, seed)]['train'] or {} for seed in ok_seeds(results, stack)]
    curves = [training['loss_by_tenth'] for training in trainings if training.get('loss_by_tenth')]
    if not curves or len({len(curve) for curve in curves}) > 1:
        return []
    return [float(loss) for loss in np.mean(curves, axis=0)]
