"""How the Dice of single images is spread in each row, and how it differs from that of the reference: boxes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks.reports.image_table import DICE, DIFFERENCE, PERCENTS
from benchmarks.reports.page.figure import BLUE, MOST_ROWS, STEP, Control, Figure, left_out, specification, tooltip
from benchmarks.reports.phrases import plain, signed

_TITLES = {DIFFERENCE: 'Δ Dice per image, points', DICE: 'Dice per image, %'}
_DIGITS = 5


def image_figure(images: pd.DataFrame, label_of: Mapping[str, str], n_rows: int) -> Figure | None:
    """The figure; None where no image of a row has a score.

    Args:
        images: The image table of the first ``MOST_ROWS`` rows.
        label_of: The label of each stack.
        n_rows: The number of rows of the grid.
    """
    if images.empty:
        return None
    place = {stack: number for number, stack in enumerate(dict.fromkeys(images['stack']))}
    boxes = [_box(row, place[row['stack']], label_of) for row in images.to_dict('records')]
    kinds = [kind for kind in _TITLES if any(box['kind'] == kind for box in boxes)]
    return Figure(
        'images',
        f'Boxes of {len(place)} rows: the spread of the test images. The table below has all numbers.',
        _spec(boxes, kinds[0]),
        ('row', 'of', 'images', *(f'{p} %' for p in PERCENTS), 'lowest', 'highest', 'images worse', 'images better'),
        [box['texts'] for kind in kinds for box in boxes if box['kind'] == kind],
        [Control('spread', 'Show', [(_TITLES[kind], _patch(kind)) for kind in kinds])],
        'Each image counts once, as the mean over its seeds. The box holds the middle half of the images, its line is '
        'the median image, the thin line holds 90 % of them, and the points are the two extreme images. '
        f'{left_out(n_rows, MOST_ROWS, "records/counts.csv.gz")}'.strip(),
    )


def _box(row: dict[str, Any], place: int, label_of: Mapping[str, str]) -> dict[str, Any]:
    label, reference = label_of.get(row['stack'], row['stack']), label_of.get(row['reference'], row['reference'])
    of_difference = row['kind'] == DIFFERENCE
    write = signed if of_difference else plain
    numbers = [f'p{percent}' for percent in PERCENTS]
    sides = [str(row['n_below']), str(row['n_above'])] if of_difference else ['', '']
    extremes = [f'{write(row[end])} ({row[f"{end}_image"]})' for end in ('lowest', 'highest')]
    kind = f'difference to “{reference}”' if of_difference else 'Dice'
    return dict(
        place=f'{place:0{_DIGITS}}{label}',
        label=label,
        kind=row['kind'],
        of=kind,
        said=f'{extremes[0]} to {extremes[1]}',
        sides=f'{sides[0]} worse, {sides[1]} better' if of_difference else '',
        lowest=row['lowest'],
        highest=row['highest'],
        **{name: row[name] for name in numbers},
        texts=[label, kind, str(row['n_images']), *(write(row[name]) for name in numbers), *extremes, *sides],
    )


def _spec(boxes: list[dict], kind: str) -> dict[str, Any]:
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    x = dict(type='quantitative', title=_TITLES[kind], scale=dict(zero=False))
    names = dict(label='row', of='of', p50='median image', p25='lower quarter', p75='upper quarter')
    shown = tooltip(names | dict(said='range', sides='images'), dict.fromkeys(('p25', 'p50', 'p75'), '.1f'))

    def between(low: str, high: str) -> dict[str, Any]:
        return dict(x=x | dict(field=low), x2=dict(field=high), tooltip=shown)

    def point(field: str) -> dict[str, Any]:
        mark = dict(type='point', filled=True, size=22, color=BLUE)
        return dict(mark=mark, encoding=dict(x=x | dict(field=field), tooltip=shown))

    layers = [
        dict(mark=dict(type='rule', color=BLUE, strokeWidth=1.5, aria=False), encoding=between('p5', 'p95')),
        dict(mark=dict(type='bar', color=BLUE, opacity=0.55, height=dict(band=0.55)), encoding=between('p25', 'p75')),
        point('lowest'),
        point('highest'),
        dict(
            name='interval',
            mark=dict(type='tick', thickness=2.5, size=14, aria=False),
            encoding=dict(x=x | dict(field='p50'), tooltip=shown),
        ),
    ]
    drawn = [{name: value for name, value in box.items() if name != 'texts'} for box in boxes]
    y = dict(field='place', type='ordinal', title=None, axis=axis)
    filtered = [dict(filter=f"datum.kind === '{kind}'")]
    return specification(drawn, dict(step=STEP), transform=filtered, encoding=dict(y=y), layer=layers)


def _patch(kind: str) -> dict[str, Any]:
    titles = {f'layer.{layer}.encoding.x.title': _TITLES[kind] for layer in range(5)}
    return {'transform.0.filter': f"datum.kind === '{kind}'", **titles}
