"""How well each row predicts each class, pooled over the test images."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.reports.page.figure import BLUE, GREY, STEP, Control, Figure, left_out, specification, tooltip
from benchmarks.reports.phrases import plain

MOST_POINTS, MOST_CLASSES = 3000, 200
_SCORES = dict(iou='IoU', dice='Dice')
_DIGITS = 5


def class_figure(classes: pd.DataFrame, label_of: dict[str, str]) -> Figure | None:
    """The figure; None without a class that has a score.

    Args:
        classes: The class table.
        label_of: The label of each stack.
    """
    known = classes[classes['iou'].notna() & (classes['class'] < MOST_CLASSES)] if len(classes) else classes
    if known.empty:
        return None
    n_stacks, n_classes = known['stack'].nunique(), known['class'].nunique()
    most = max(MOST_POINTS // n_classes, 1)
    first = list(dict.fromkeys(known['stack']))[:most]
    points = [
        dict(
            place=f'{row["class"]:0{_DIGITS}}{_called(row)}',
            name=_called(row),
            label=label_of.get(row['stack'], row['stack']),
            kind='first row' if row['stack'] == first[0] else 'other rows',
            iou=row['iou'],
            dice=row['dice'],
        )
        for row in known[known['stack'].isin(first)].to_dict('records')
    ]
    choices = [
        (title, {path: value for layer in range(2) for path, value in _patch(layer, name, title).items()})
        for name, title in _SCORES.items()
    ]
    table = [[point['name'], point['label'], *(plain(point[name]) for name in _SCORES)] for point in points]
    return Figure(
        'classes',
        f'Scores of {n_classes} classes by {len(first)} rows. The table below it has all numbers.',
        _spec(points),
        ('class', 'row', *(f'{title}, %' for title in _SCORES.values())),
        table,
        [Control('score', 'Score', choices)],
        f'Each point is one row of the grid, mean over its seeds; the bar is the first row. '
        f'{left_out(n_stacks, len(first), "classes.csv")}'.strip(),
    )


def _called(row: Mapping) -> str:
    return f'{row["class"]} {row["class_name"]}'.strip()


def _patch(layer: int, name: str, title: str) -> dict[str, Any]:
    return {f'layer.{layer}.encoding.x.field': name, f'layer.{layer}.encoding.x.title': f'{title}, %'}


def _spec(points: list[dict]) -> dict[str, Any]:
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    x = dict(field='iou', type='quantitative', title='IoU, %', scale=dict(zero=False, nice=True))
    shown = tooltip(dict(name='class', label='row', **_SCORES), dict.fromkeys(_SCORES, '.1f'))
    layers = [
        dict(
            transform=[dict(filter="datum.kind === 'other rows'")],
            mark=dict(type='point', filled=True, size=50, opacity=0.55, color=GREY),
            encoding=dict(x=x, tooltip=shown),
        ),
        dict(
            transform=[dict(filter="datum.kind === 'first row'")],
            mark=dict(type='tick', thickness=3, size=16, color=BLUE),
            encoding=dict(x=x, tooltip=shown),
        ),
    ]
    y = dict(field='place', type='ordinal', title=None, axis=axis)
    return specification(points, dict(step=STEP), encoding=dict(y=y), layer=layers)
