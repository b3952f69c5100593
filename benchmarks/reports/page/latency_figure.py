"""Where the time of an inference goes: loading, preprocessing, each view, their merge, each refinement."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.reports.page.figure import (
    BLUE,
    BROWN,
    GREY,
    MOST_ROWS,
    ORANGE,
    PALE_BLUE,
    PURPLE,
    STEP,
    Figure,
    left_out,
    specification,
    tooltip,
)
from benchmarks.reports.phrases import NOTHING, short

LOAD, PREPROCESS, VIEW, MERGE, REFINEMENT, LABELS = (
    'load',
    'preprocess',
    'view, network included',
    'merge of views',
    'refinement',
    'labels',
)
# Where a profile did not time them one by one.
BOTH, ALL_VIEWS, ALL_REFINEMENTS = 'load and preprocess', 'all views and their merge', 'all refinements and labels'
_COLOURS = {
    LOAD: BROWN,
    PREPROCESS: PURPLE,
    BOTH: PURPLE,
    VIEW: BLUE,
    ALL_VIEWS: BLUE,
    MERGE: PALE_BLUE,
    REFINEMENT: ORANGE,
    ALL_REFINEMENTS: ORANGE,
    LABELS: GREY,
}
_DIGITS = 5


class Part(NamedTuple):
    """A part of an inference.

    Attributes:
        kind: What it is, which gives its colour.
        name: The name of a view or a refinement; empty for other parts.
        ms: The median over the samples.
    """

    kind: str
    name: str
    ms: float


def latency_figure(stacks: pd.DataFrame, profiles: Mapping[str, Mapping]) -> Figure | None:
    """The median time of each part of an inference, one bar per row; None without a profile that has parts.

    Args:
        stacks: The stack table.
        profiles: The profile of each stack.
    """
    measured = stacks[(stacks['profile_status'] == 'ok') & stacks['stack'].isin(profiles.keys())]
    drawn = [(row, list(parts_of(profiles[row['stack']]))) for _, row in measured.head(MOST_ROWS).iterrows()]
    if not any(parts for _, parts in drawn):
        return None
    values = [
        dict(
            place=f'{place:0{_DIGITS}}{row["label"]}',
            label=row['label'],
            part=part.kind,
            name=part.name or part.kind,
            order=order,
            ms=part.ms,
        )
        for place, (row, parts) in enumerate(drawn)
        for order, part in enumerate(parts)
    ]
    kinds = [kind for kind in _COLOURS if any(value['part'] == kind for value in values)]
    note = (
        'Medians of each part, measured apart; their sum need not be the median of the whole. '
        f'{left_out(len(measured), MOST_ROWS, "records/")}'
    )
    return Figure(
        'latency',
        f'Stacked bars of {len(drawn)} rows: time of each part of an inference. The table below has all numbers.',
        _spec(values, kinds),
        ('row', *(f'{kind}, ms' for kind in kinds), 'whole, p50, ms'),
        [
            [row['label'], *(_times(parts, kind) for kind in kinds), short(row['latency_ms_p50'])]
            for row, parts in drawn
        ],
        note=note.strip(),
    )


def parts_of(profile: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of an inference in the order in which they run.

    A profile from before single parts were timed has three. What is left of a step once its parts are taken off is the
    merge of the views, or the labels of the merged map and all that refinements share.

    Args:
        profile: A profile that is ok.
    """
    whole = {name: np.array(profile['latency_ms'][name], float) for name in ('preprocess', 'views', 'refine')}
    parts = profile.get('parts_ms') or dict(load=[], views={}, refine={})
    timed = profile.get('parts_ms') is not None
    if len(whole['preprocess']):
        load = np.array(parts['load'], float)
        if len(load):
            yield Part(LOAD, '', _median(load))
        yield Part(PREPROCESS if len(load) else BOTH, '', _median(whole['preprocess'] - (load if len(load) else 0)))
    if len(whole['views']):
        yield from _single(whole['views'], parts['views'], VIEW, MERGE, ALL_VIEWS)
    if len(whole['refine']):
        yield from _single(whole['refine'], parts['refine'], REFINEMENT, LABELS, LABELS if timed else ALL_REFINEMENTS)


def _single(whole: np.ndarray, times: Mapping[str, list], kind: str, rest: str, together: str) -> Iterator[Part]:
    """The parts of one step and what is left of it; the step as a whole where no part was timed."""
    single = {name: np.array(samples, float) for name, samples in times.items()}
    for name, samples in single.items():
        yield Part(kind, name, _median(samples))
    yield Part(rest if single else together, '', _median(whole - sum(single.values())))


def _median(samples: np.ndarray) -> float:
    return max(float(np.median(samples)), 0.0)


def _times(parts: list[Part], kind: str) -> str:
    """The time of the parts of one kind, with their names where they have some."""
    own = [part for part in parts if part.kind == kind]
    return '; '.join(f'{part.name} {short(part.ms)}'.strip() for part in own) or NOTHING


def _spec(values: list[dict], kinds: list[str]) -> dict[str, Any]:
    axis = dict(labelExpr=f'slice(datum.label, {_DIGITS})', ticks=False, domain=False, labelPadding=6)
    scale = dict(domain=kinds, range=[_COLOURS[kind] for kind in kinds])
    return specification(
        values,
        dict(step=STEP),
        # A line, which the page draws in the colour of its background, shows where one view ends and another begins.
        name='parts',
        mark=dict(type='bar', stroke='#ffffff', strokeWidth=0.75),
        encoding=dict(
            y=dict(field='place', type='ordinal', title=None, axis=axis),
            x=dict(field='ms', type='quantitative', title='ms per image'),
            order=dict(field='order'),
            color=dict(field='part', type='nominal', title=None, scale=scale),
            detail=dict(field='name'),
            tooltip=tooltip(dict(label='row', name='part', part='kind', ms='ms'), dict(ms='.3~g')),
        ),
    )
