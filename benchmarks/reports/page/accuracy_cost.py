"""Accuracy against cost: the paired difference of each row to one reference, over a cost that can be chosen."""

from collections.abc import Iterator, Sequence, Set
from typing import Any

import pandas as pd

from benchmarks.record import BASELINE
from benchmarks.reports.chance_text import chance_of
from benchmarks.reports.page.accuracy_cost_spec import (
    COSTS,
    FRONT_CHANCE,
    SHAPES,
    ZOOM,
    accuracy_cost_controls,
    accuracy_cost_spec,
)
from benchmarks.reports.page.figure import MOST_ROWS, Figure, left_out, usual_range
from benchmarks.reports.phrases import interval_text, share_text, short, signed, verdict_words
from benchmarks.reports.speed_answer import LIKELY, POSSIBLE

MOST_NUMBERED = 25  # points; of more, only those that a reader looks for have their number


def accuracy_cost(
    stacks: pd.DataFrame, comparisons: pd.DataFrame, chances: pd.DataFrame, metrics: Sequence[str], clean: Set[str]
) -> Figure | None:
    """The figure, against the reference that most rows are compared with; None without two points to draw.

    Args:
        stacks: The stack table.
        comparisons: The comparison table.
        chances: The table of accuracy against speed; may be empty.
        metrics: The metrics to choose from, that of the question first.
        clean: The stacks that compare techniques on the images as they are.
    """
    reference = _reference(comparisons)
    costs = [name for name in COSTS if stacks[name].notna().any()]
    if reference is None or not costs:
        return None
    rows = stacks.head(MOST_ROWS)
    rows = rows[rows['stack'].isin(clean) & (rows['n_seeds'] > 0) & rows[costs].notna().any(axis=1)]
    points = list(_points(rows, comparisons, chances, reference, metrics))
    drawn = [point for point in points if point['metric'] == metrics[0]]
    if len(drawn) < 2:
        return None
    label = stacks.loc[stacks['stack'] == reference, 'label'].iloc[0]
    bands = _bands(comparisons, reference, metrics)
    missing = len(clean - {point['stack'] for point in drawn})
    return Figure(
        'accuracy-cost',
        f'Scatter plot of {len(drawn)} rows: difference to {label} over cost. The table below it has all numbers.',
        accuracy_cost_spec(points, bands, metrics[0], costs[0]),
        ('#', 'row', 'Δ [95 %]', 'verdict', FRONT_CHANCE, *(COSTS[name] for name in costs)),
        [_table_row(point, costs) for point in drawn],
        accuracy_cost_controls(points, metrics, costs),
        f'{_note(label, drawn, bool(bands), missing)} {left_out(len(stacks), MOST_ROWS, "table.csv")}'.strip(),
        ZOOM,
    )


def _note(label: str, drawn: list[dict], with_band: bool, missing: int) -> str:
    """How to read the figure."""
    sentences = [
        f'Up is better, by the difference to “{label}” on the same images and seeds, with its 95 % interval: intervals '
        'of single rows overlap even where a difference is certain.',
        'Numbers are those of the rows.',
        'The grey band is where a technique that does nothing would stand, with as many seeds as any row has.'
        if with_band
        else '',
        'A row is on the Pareto front where no other is as fast and as accurate, by Dice and latency, whatever metric '
        'and cost are drawn.',
        'Ctrl and the mouse wheel zoom, dragging moves.',
        'Rows far off are not in the first view; “All” shows them.' if usual_range(drawn) else '',
        f'{missing} rows have no difference to it or no cost, and are not drawn.' if missing else '',
    ]
    return ' '.join(sentence for sentence in sentences if sentence)


def _reference(comparisons: pd.DataFrame) -> str | None:
    """The reference of most rows; of equals the baseline."""
    pairs = comparisons[comparisons['delta'].notna()].drop_duplicates(['stack', 'reference'])
    numbers = pairs['reference'].value_counts(sort=False)
    if numbers.empty:
        return None
    return BASELINE if numbers.get(BASELINE, 0) == numbers.max() else str(numbers.idxmax())


def _points(
    rows: pd.DataFrame, comparisons: pd.DataFrame, chances: pd.DataFrame, reference: str, metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """A point for each metric and row that is compared with the reference, and one for the reference itself."""
    against = comparisons[(comparisons['reference'] == reference) & comparisons['delta'].notna()]
    compared = {(row['stack'], row['metric']): row for row in reversed(against.to_dict('records'))}
    chance = dict(zip(chances.get('stack', []), chances.get('p_front', [])))
    for place, row in rows.iterrows():
        p_front = chance.get(row['stack'], float('nan'))
        of_row = dict(number=place + 1, stack=row['stack'], label=row['label'])
        of_row |= dict(front=_front(p_front), chance=share_text(p_front))
        of_row |= {name: row[name] for name in COSTS}
        for metric in metrics:
            found = compared.get((row['stack'], metric))
            own = _difference(found) if found is not None else dict(delta=0.0, verdict='not shown', said='reference')
            if found is None and row['stack'] != reference:
                continue
            notable = of_row['front'] in ('likely', 'possible') or own['verdict'] in ('gain', 'loss')
            shown = str(of_row['number']) if notable or len(rows) <= MOST_NUMBERED else ''
            yield of_row | own | dict(metric=metric, shown=shown)


def _difference(comparison: dict) -> dict[str, Any]:
    verdict = comparison['verdict']
    return dict(
        delta=comparison['delta'],
        low=comparison['low'],
        high=comparison['high'],
        interval=interval_text(comparison['low'], comparison['high'], sign=True),
        verdict=verdict if verdict in SHAPES else 'not shown',
        said=verdict_words(comparison),
    )


def _front(chance: float) -> str:
    if pd.isna(chance):
        return 'not known'
    return 'likely' if chance >= LIKELY else 'possible' if chance >= POSSIBLE else 'unlikely'


def _bands(comparisons: pd.DataFrame, reference: str, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The band of chance around the reference, of each metric where it is known."""
    found = ((name, chance_of(comparisons[comparisons['metric'] == name], reference)) for name in metrics)
    return [dict(metric=name, low=band.low, high=band.high) for name, band in found if band is not None]


def _table_row(point: dict, costs: Sequence[str]) -> list[str]:
    delta = f'{signed(point["delta"])} {point.get("interval", "")}'.strip()
    texts = [str(point['number']), point['label'], delta, point['said'], point['chance']]
    return [*texts, *(short(point[name]) for name in costs)]
