"""A forest plot: values with their intervals, one line each, of one group of several at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.reports.page.figure import BLUE, GREY, ORANGE, PALE_BLUE, STEP, Control, Figure, specification, tooltip
from benchmarks.reports.phrases import interval_text, signed

MOST_GROUPS, MOST_VALUES = 100, 2000
_DIGITS = 5  # of the place of a line
_COLOURS = {'gain': BLUE, 'loss': ORANGE, 'equivalent': PALE_BLUE, 'undecided': GREY}


class Group(NamedTuple):
    """Values that are shown together.

    Attributes:
        name: The choice that shows them.
        rows: Each has ``value``, ``low``, ``high`` and ``verdict``.
        labels: The label of each row.
        kinds: What kind of line each row is, for the table.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    labels: Sequence[str]
    kinds: Sequence[str]


def forest(
    name: str, choice: str, heads: tuple[str, str], alt: str, note: str, groups: Sequence[Group], table_file: str
) -> Figure | None:
    """The figure; None without a value.

    Args:
        name: The name of the figure.
        choice: What a group is.
        heads: What the kinds are, and what the labels are.
        alt: What a reader sees in it.
        note: How to read it.
        groups: The groups; as many are drawn as fit.
        table_file: The table beside the page that has all of them.
    """
    drawn = _that_fit([group for group in groups if group.rows])
    if not drawn:
        return None
    points = [point for number, group in enumerate(drawn) for point in _points(number, group)]
    if len(drawn) < len(groups):
        note += f' The first {len(drawn)} of {len(groups)} are drawn; {table_file} has all.'
    fields = ('kind', 'label', 'said', 'interval', 'verdict')
    return Figure(
        name,
        f'{alt} The table below has all numbers.',
        _spec(points, heads),
        (choice, *heads, 'points', '95 %', 'verdict'),
        [[drawn[point['group']].name, *(point[field] for field in fields)] for point in points],
        [Control(name, choice, [(group.name, _shows(number)) for number, group in enumerate(drawn)])],
        note,
    )


def _that_fit(groups: list[Group]) -> list[Group]:
    """The first groups whose values fit together; always one."""
    drawn: list[Group] = []
    for group in groups[:MOST_GROUPS]:
        if drawn and sum(len(one.rows) for one in [*drawn, group]) > MOST_VALUES:
            break
        drawn.append(group)
    return drawn


def _points(number: int, group: Group) -> list[dict[str, Any]]:
    rows = list(zip(group.rows, group.labels, group.kinds))[:MOST_VALUES]
    return [
        dict(
            group=number,
            # The number before a label orders the lines; the axis does not show it.
            place=f'{place:0{_DIGITS}}{label}',
            label=label,
            kind=kind,
            value=row['value'],
            said=signed(row['value']),
            low=row['low'],
            high=row['high'],
            interval=interval_text(row['low'], row['high'], sign=True),
            verdict=row['verdict'],
        )
        for place, (row, label, kind) in enumerate(rows)
    ]


def _shows(number: int) -> dict[str, str]:
    return {'transform.0.filter': f'datum.group === {number}'}


def _spec(points: list[dict], heads: tuple[str, str]) -> dict[str, Any]:
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    x = dict(type='quantitative', title='percent points', scale=dict(zero=True))
    titles = dict(kind=heads[0], label=heads[1], value='points', interval='95 %', verdict='verdict')
    shown = tooltip(titles, dict(value='+.2f'))
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
            encoding=dict(x=x | dict(field='value'), color=colour, tooltip=shown),
        ),
    ]
    y = dict(field='place', type='ordinal', title=None, axis=axis)
    chosen = [dict(filter=_shows(0)['transform.0.filter'])]
    return specification(points, dict(step=STEP), transform=chosen, encoding=dict(y=y), layer=layers)
