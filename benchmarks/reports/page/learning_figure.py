"""The learning curves: the loss and the learning rate over a training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.record import cell_name
from benchmarks.reports.page.figure import BLUE, Control, Figure, left_out, specification, tooltip
from benchmarks.reports.phrases import NOTHING
from benchmarks.reports.results import Results, ok_seeds

MOST_CURVES = 100
COURSES = {'mean loss': 'loss_by_tenth', 'learning rate': 'lr_by_tenth'}  # the facts of a training, by title


def learning_figure(results: Results, stacks: pd.DataFrame) -> Figure | None:
    """The mean loss of each tenth of a training, and the learning rate; None where no record has a loss.

    Both are means over seeds. Losses of different kinds have different units, so that the figure shows one row at a
    time. Trainings from before learning rates were recorded have none.

    Args:
        results: The records of the grid.
        stacks: The stack table.
    """
    rows = [(row['label'], courses) for _, row in stacks.iterrows() if (courses := _courses(results, row['stack']))]
    if not rows:
        return None
    drawn = rows[:MOST_CURVES]
    values = [
        dict(curve=number, label=label, of=title, tenth=tenth, value=value)
        for number, (label, courses) in enumerate(drawn)
        for title, course in courses.items()
        for tenth, value in enumerate(course, start=1)
    ]
    x = dict(field='tenth', type='ordinal', title='tenth of the steps', axis=dict(labelAngle=0))
    y = dict(field='value', type='quantitative', title=next(iter(COURSES)), scale=dict(zero=False))
    shown = tooltip(dict(label='row', tenth='tenth', value='mean'), dict(value='.4~g'))
    spec = specification(
        values,
        260,
        transform=[dict(filter='datum.curve === 0'), dict(filter=_is(next(iter(COURSES))))],
        mark=dict(type='line', color=BLUE, point=dict(size=60), strokeWidth=2),
        encoding=dict(x=x, y=y, tooltip=shown),
    )
    of_rows = [(label, {'transform.0.filter': f'datum.curve === {number}'}) for number, (label, _) in enumerate(drawn)]
    known = [title for title in COURSES if any(title in courses for _, courses in drawn)]
    of_courses = [(title, {'transform.1.filter': _is(title), 'encoding.y.title': title}) for title in known]
    lengths = max(len(courses[next(iter(COURSES))]) for _, courses in drawn)
    return Figure(
        'learning',
        f'Line of the {" or the ".join(known)} in each tenth of a training. The table below has the numbers.',
        spec,
        ('row', 'of', *(f'tenth {tenth}' for tenth in range(1, lengths + 1))),
        [
            [label, title, *(f'{value:.4g}' for value in course), *[NOTHING] * (lengths - len(course))]
            for label, courses in drawn
            for title, course in courses.items()
        ],
        [Control('curve', 'Row', of_rows), *([Control('course', 'Show', of_courses)] if len(known) > 1 else [])],
        f'Losses of different rows may have different units. {left_out(len(rows), MOST_CURVES, "records/")}'.strip(),
    )


def _is(title: str) -> str:
    return f"datum.of === '{title}'"


def _courses(results: Results, stack: str) -> dict[str, list[float]]:
    """The courses of a row by title, means over its seeds; empty where the loss is not known of all alike."""
    trainings = [results.records[cell_name(stack, seed)]['train'] or {} for seed in ok_seeds(results, stack)]
    found = {title: mean for title, fact in COURSES.items() if (mean := _mean([one.get(fact) for one in trainings]))}
    return found if next(iter(COURSES)) in found else {}


def _mean(courses: Sequence[Sequence[float] | None]) -> list[float]:
    """The mean over seeds; empty where no seed has a course, or courses have different lengths."""
    known = [course for course in courses if course]
    if not known or len({len(course) for course in known}) > 1:
        return []
    return [float(value) for value in np.mean(known, axis=0)]
