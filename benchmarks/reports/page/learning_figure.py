"""The learning curves: the loss over a training."""

import numpy as np
import pandas as pd

from benchmarks.record import cell_name
from benchmarks.reports.page.figure import BLUE, Control, Figure, left_out, specification, tooltip
from benchmarks.reports.phrases import NOTHING
from benchmarks.reports.table import Results, ok_seeds

MOST_CURVES = 100


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
