"""The gain of one comparison in each class, size and other stratum of the test images, with its interval."""

from typing import Any

import pandas as pd

from benchmarks.reports.page.figure import BLUE, GREY, ORANGE, PALE_BLUE, STEP, Control, Figure, specification, tooltip
from benchmarks.reports.phrases import interval_text, signed

MOST_COMPARISONS, MOST_STRATA = 100, 2000
_DIGITS = 5
_COLOURS = {'gain': BLUE, 'loss': ORANGE, 'equivalent': PALE_BLUE, 'undecided': GREY}
_NOTE = (
    'Percent points with their 95 % interval, uncorrected: strata were looked through, not asked for. A gain that is '
    'shown in one stratum and not in another is no difference between the two.'
)


def strata_figure(strata: pd.DataFrame, label_of: dict[str, str]) -> Figure | None:
    """The figure; None without strata.

    Args:
        strata: The table of strata.
        label_of: The label of each stack.
    """
    known = strata[strata['gain'].notna()] if len(strata) else strata
    if known.empty:
        return None
    points, names = _points(known, label_of)
    choices = [(name, {'transform.0.filter': f'datum.pair === {pair}'}) for pair, name in enumerate(names)]
    fields = dict(
        by='by', stratum='stratum', gain='gain', interval='95 %', verdict='verdict', units='images or objects'
    )
    return Figure(
        'strata',
        'Gains with intervals in each stratum of the test images. The table below has all numbers.',
        _spec(points, tooltip(fields, dict(gain='+.2f'))),
        ('comparison', 'by', 'stratum', 'gain', '95 %', 'verdict'),
        [
            [
                names[point['pair']],
                point['by'],
                point['stratum'],
                signed(point['gain']),
                point['interval'],
                point['verdict'],
            ]
            for point in points
        ],
        [Control('comparison', 'Comparison', choices)],
        f'{_NOTE} {_left_out(strata, len(names))}'.strip(),
    )


def _left_out(strata: pd.DataFrame, drawn: int) -> str:
    n_comparisons = len(strata.drop_duplicates(['stack', 'reference']))
    if n_comparisons == drawn:
        return ''
    return f'The first {drawn} of {n_comparisons} comparisons are drawn; strata.csv has all.'


def _points(known: pd.DataFrame, label_of: dict[str, str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The points of the first comparisons, as many as fit, and the names of these."""
    points: list[dict[str, Any]] = []
    names: list[str] = []
    for (stack, reference), rows in known.groupby(['stack', 'reference'], sort=False):
        if len(names) == MOST_COMPARISONS or (names and len(points) + len(rows) > MOST_STRATA):
            break
        for place, row in enumerate(rows.head(MOST_STRATA).to_dict('records')):
            text = str(row['stratum'])
            points.append(
                dict(
                    pair=len(names),
                    place=f'{place:0{_DIGITS}}{text}',
                    by=row['by'],
                    stratum=text,
                    units=row['units'],
                    gain=row['gain'],
                    low=row['low'],
                    high=row['high'],
                    interval=interval_text(row['low'], row['high'], sign=True),
                    verdict=row['verdict'],
                )
            )
        names.append(f'“{label_of.get(stack, stack)}” against “{label_of.get(reference, reference)}”')
    return points, names


def _spec(points: list[dict], shown: list[dict]) -> dict[str, Any]:
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    y = dict(field='place', type='ordinal', title=None, axis=axis)
    x = dict(type='quantitative', title='gain, percent points', scale=dict(zero=True))
    colour = dict(
        field='verdict',
        type='nominal',
        title='verdict',
        scale=dict(domain=list(_COLOURS), range=list(_COLOURS.values())),
    )
    layers = [
        dict(name='zero', mark=dict(type='rule', strokeDash=[3, 3]), encoding=dict(x=dict(datum=0), y=None)),
        dict(
            mark=dict(type='rule', strokeWidth=1.5, aria=False),
            encoding=dict(x=x | dict(field='low'), x2=dict(field='high'), color=colour, tooltip=shown),
        ),
        dict(
            mark=dict(type='point', filled=True, size=90, opacity=1),
            encoding=dict(x=x | dict(field='gain'), color=colour, tooltip=shown),
        ),
    ]
    return specification(
        points, dict(step=STEP), transform=[dict(filter='datum.pair === 0')], encoding=dict(y=y), layer=layers
    )
