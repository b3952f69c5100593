"""A figure of the page: a Vega-Lite specification, the controls that change it, and the table behind it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

# Each has a contrast of 3 to 1 or more on the light and on the dark background of the page.
BLUE, PALE_BLUE, ORANGE, BROWN, PURPLE, GREY = '#2b7bba', '#6d94c8', '#d9730d', '#a8814f', '#9a7bbf', '#81868f'
PALE = '#9aa0a8'  # of bands, which lie behind everything else
FEWEST_FOR_RANGE = 8
MOST_ROWS = 300  # of a figure; the tables that lie beside the page have all
PLOT_HEIGHT, STEP = 380, 22  # px
_CONFIG = dict(
    background=None,
    font='system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
    view=dict(stroke=None),
    axis=dict(labelFontSize=12, titleFontSize=12, titleFontWeight='normal', labelLimit=280, gridOpacity=0.6),
    legend=dict(labelFontSize=12, titleFontSize=12, titleFontWeight='normal', orient='top', labelLimit=260, columns=2),
)
Patch = Mapping[str, Any]  # from a path in the specification, such as `layer.1.encoding.x.field`, to its new value


class Control(NamedTuple):
    """A choice that changes a figure.

    Attributes:
        name: Controls of one name change together.
        label: What stands before it.
        options: The texts of the choices, and what each changes in the specification; the first is drawn first.
    """

    name: str
    label: str
    options: Sequence[tuple[str, Patch]]


class Figure(NamedTuple):
    """A figure.

    Attributes:
        name: Part of the id of its element.
        alt: What a reader sees in it, for those who cannot.
        spec: The Vega-Lite specification.
        head: The columns of the table behind it.
        table: The rows of that table, as texts.
        controls: What can be chosen.
        note: How to read it, and what was left out.
        zoom: The paths of the two domains that zooming changes; empty for a figure without zoom.
    """

    name: str
    alt: str
    spec: dict[str, Any]
    head: Sequence[str]
    table: Sequence[Sequence[str]]
    controls: Sequence[Control] = ()
    note: str = ''
    zoom: Sequence[str] = ()


def specification(values: Sequence[Mapping[str, Any]], height: int | Mapping, **parts: Any) -> dict[str, Any]:
    """A specification as wide as its place, with the look of the page.

    Args:
        values: The data.
        height: px, or a step per row.
        parts: All else, by the names of Vega-Lite.
    """
    return dict(
        config=_CONFIG,
        data=dict(values=list(values)),
        width='container',
        height=height,
        **({} if isinstance(height, Mapping) else dict(autosize=dict(type='fit', contains='padding'))),
        **parts,
    )


def tooltip(fields: Mapping[str, str], formats: Mapping[str, str] = MappingProxyType({})) -> list[dict[str, str]]:
    """What hovering shows.

    Args:
        fields: The title of each field of the data.
        formats: Formats of numbers by field, as D3 writes them.
    """
    return [
        dict(field=field, title=title) | (dict(format=formats[field]) if field in formats else {})
        for field, title in fields.items()
    ]


def usual_range(points: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """The range that shows most points well, where a few lie so far off that the others would be one line.

    Args:
        points: Each has ``delta``, and may have an interval, ``low`` and ``high``.

    Returns:
        The ends for the intervals of all points that lie within five interquartile ranges of the median; None if these
        are all points, or if there are too few to tell.
    """
    values = np.array([point['delta'] for point in points], float)
    if len(values) < FEWEST_FOR_RANGE:
        return None
    lower, middle, upper = np.percentile(values, (25, 50, 75))
    usual = np.abs(values - middle) <= 5 * (upper - lower)
    if usual.all() or upper == lower:
        return None
    ends = [point.get(end, point['delta']) for point, own in zip(points, usual) if own for end in ('low', 'high')]
    ends = [end for end in ends if np.isfinite(end)]
    room = 0.05 * (max(ends) - min(ends))
    return [float(min(ends) - room), float(max(ends) + room)]


def left_out(n_rows: int, most: int, where: str) -> str:
    """A sentence on the rows that a figure leaves out; empty for none."""
    return f'The first {most} of {n_rows} rows are drawn; {where} has all.' if n_rows > most else ''
