"""The table of trials: what each choice of a tuned row had to choose from, and what it took."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmarks.reports.table import Results

TUNING_COLUMNS = ('stack', 'seed', 'fold', 'technique', 'trial', 'values', 'validation_dice', 'chosen')
OWN_VALUES = 'as in its file'


def tuning_table(results: Results) -> pd.DataFrame:
    """One row per trial of each choice, with the columns ``TUNING_COLUMNS``; empty where nothing was tuned.

    Trial 0 has the values of the technique's file. ``validation_dice`` is in percent, NaN where no validation image
    shows a foreground class. ``fold`` is empty in a grid without folds.
    """
    return _table(results, _searched(results))


def distinct_choices(results: Results) -> pd.DataFrame:
    """The table of trials with each choice once: where seeds of a row share a choice, the first one stands for all."""
    distinct: dict[tuple, Mapping[str, Any]] = {}
    for record in _searched(results):
        distinct.setdefault((record['stack'], record['keys'].get('select', record['cell'])), record)
    return _table(results, list(distinct.values()))


def _searched(results: Results) -> list[Mapping[str, Any]]:
    return [record for record in (results.of_folds or results.records).values() if record.get('searches')]


def _table(results: Results, searched: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    stacks = [row['stack'] for row in results.grid['rows']]
    rows = [row for stack in stacks for record in searched if record['stack'] == stack for row in _rows(record)]
    return pd.DataFrame(rows, columns=list(TUNING_COLUMNS)).astype({'fold': 'Int64'})


def _rows(record: Mapping[str, Any]) -> Iterator[dict]:
    for search in record.get('searches', []):
        for trial, (values, dice) in enumerate(zip(search['trials'], search['dice'])):
            yield dict(
                stack=record['stack'],
                seed=record['seed'],
                fold=record.get('fold'),
                technique=search['technique'],
                trial=trial,
                values=settings(values),
                validation_dice=float('nan') if dice is None else dice,
                chosen=trial == search['chosen'],
            )


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
