"""The table of trials: what each choice of a tuned row had to choose from, and what it took."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.response import smoother
from benchmarks.reports.results import Results

TUNING_COLUMNS = (
    'stack',
    'seed',
    'fold',
    'technique',
    'trial',
    'values',
    'validation_dice',
    'chosen',
    'surface',
    'images',
    'steps',
)
OWN_VALUES = 'as in its file'
Choice = tuple[Mapping[str, Any], Mapping[str, Any]]  # the record of a cell, and one of its searches


def tuning_table(results: Results) -> pd.DataFrame:
    """One row per trial of each choice, with the columns ``TUNING_COLUMNS``; empty where nothing was tuned.

    Trial 0 has the values of the technique's file. ``validation_dice`` is in percent, NaN where no validation image
    shows a foreground class, or the training of the trial diverged. ``fold`` is empty in a grid without folds.
    ``surface`` is the quadratic surface through the trials (:mod:`benchmarks.analysis.response`), NaN for trial 0 and
    where there are too few trials, or values that are no numbers. ``images`` is the number of validation images that a
    trial was tried on, and ``steps`` the share of the schedule that it trained, where successive halving dropped
    some before; empty elsewhere.
    """
    return _table(results, _choices(results))


def distinct_choices(results: Results) -> pd.DataFrame:
    """The table of trials with each choice once: where seeds of a row share a choice, the first one stands for all."""
    distinct: dict[tuple, Choice] = {}
    for record, search in _choices(results):
        made = record['keys'].get(search.get('stage', 'select'), record['cell'])  # earlier records choose refinements
        distinct.setdefault((record['stack'], search['technique'], made), (record, search))
    return _table(results, distinct.values())


def _choices(results: Results) -> Iterator[Choice]:
    for record in (results.of_folds or results.records).values():
        for search in record.get('searches') or ():
            yield record, search


def _table(results: Results, choices: Iterable[Choice]) -> pd.DataFrame:
    of_stack: dict[str, list[Choice]] = {}
    for record, search in choices:
        of_stack.setdefault(record['stack'], []).append((record, search))
    rows = [row for one in results.grid['rows'] for choice in of_stack.get(one['stack'], []) for row in _rows(*choice)]
    return pd.DataFrame(rows, columns=list(TUNING_COLUMNS)).astype({'fold': 'Int64', 'images': 'Int64', 'chosen': bool})


def _rows(record: Mapping[str, Any], search: Mapping[str, Any]) -> Iterator[dict]:
    dice = [float('nan') if one is None else one for one in search['dice']]
    images, steps = (search.get(name) or [None] * len(dice) for name in ('images', 'steps'))
    seen = list(zip(images, steps))
    # The chosen trial has gone through all rounds; scores over other images, or after other trainings, make no surface.
    alike = [one if of == seen[search['chosen']] else float('nan') for one, of in zip(dice, seen)]
    surface = _surface(search['trials'], alike)
    for trial, values in enumerate(search['trials']):
        yield dict(
            stack=record['stack'],
            seed=record['seed'],
            fold=record.get('fold'),
            technique=search['technique'],
            trial=trial,
            values=settings(values),
            validation_dice=dice[trial],
            chosen=trial == search['chosen'],
            surface=surface[trial],
            images=images[trial],
            steps=steps[trial],
        )


def _surface(trials: Sequence[Mapping[str, Any]], dice: Sequence[float]) -> list[float]:
    """The surface at each trial; the first one has the values of a file, which its record does not say."""
    surface = [float('nan')] * len(trials)
    used = [n for n in range(1, len(trials)) if not np.isnan(dice[n])]
    keys = [key for key in trials[-1] if all(type(trials[n].get(key)) in (int, float) for n in used)]
    if not used or not keys or len(keys) < len(trials[-1]):
        return surface
    smooth = smoother(np.array([[trials[n][key] for key in keys] for n in used], float))
    if smooth is not None:
        for n, value in zip(used, smooth @ np.array([dice[n] for n in used])):
            surface[n] = float(value)
    return surface


def settings(values: Mapping[str, Any]) -> str:
    """The values of a trial as a text, each by the end of its key, or by the last two parts where ends are equal.

    Example:
        >>> settings({'inference.refine.crf.iterations': 5}), settings({'a.x.n': 1, 'a.y.n': 2}), settings({})
        ('iterations=5', 'x.n=1, y.n=2', 'as in its file')
    """
    if not values:
        return OWN_VALUES
    ends = [key.rpartition('.')[2] for key in values]
    return ', '.join(
        f'{end if ends.count(end) == 1 else ".".join(key.split(".")[-2:])}={value}'
        for end, (key, value) in zip(ends, values.items())
    )
