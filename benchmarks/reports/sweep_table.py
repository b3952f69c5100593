"""The table of sweeps: the response of Dice to the values of a technique's parameters, and the region of the best."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.draws import score_draws
from benchmarks.analysis.metrics import dice_margin
from benchmarks.analysis.response import chance_near_best, smoother
from benchmarks.analysis.scores import SCORES
from benchmarks.reports.arms import clean_rows, stacks_not_learned
from benchmarks.reports.results import Results, ok_seeds
from benchmarks.reports.speed_table import GOOD_ENOUGH, N_DRAWS

SWEEP_COLUMNS = (
    'technique',
    'reference',
    'stack',
    'settings',
    'dice',
    'surface',
    'p_near_best',
    'p_best',
    'n_seeds',
    'validation_dice',
    'chosen',
)


class Sweep(NamedTuple):
    """A sweep of one technique.

    Attributes:
        technique: Its name.
        table: One row per point with the columns ``SWEEP_COLUMNS``, in the order of the grid. ``surface`` is the value
            of the quadratic surface, NaN where none was fitted. ``p_near_best`` is the chance to be within ``margin``
            of the best point, by the surface if there is one; ``p_best`` that of being the best point. All of these are
            of the test images. ``validation_dice`` is the mean Dice on validation images over the seeds, NaN where
            these were not predicted; ``chosen`` is the first of the points that are best there.
        values: The values of the numeric parameters by the end of their key, one per point.
        margin: Percent points.
    """

    technique: str
    table: pd.DataFrame
    values: dict[str, list[float]]
    margin: float


def sweeps(results: Results) -> list[Sweep]:
    """The sweeps of a grid with three points or more that are ok in a shared seed and have learned."""
    variants = {one['called']: one for one in results.grid.get('variants', [])}
    rows = {row['stack']: row['techniques'] for row in clean_rows(results.grid)}
    unlearned = stacks_not_learned(results)
    points: dict[tuple[str, str], list[str]] = {}
    for comparison in results.grid['comparisons']:
        stack = comparison['stack']
        swept = [name for name in rows.get(stack, []) if name in variants]
        if comparison['design'] == 'sweep' and len(swept) == 1 and stack not in unlearned and ok_seeds(results, stack):
            points.setdefault((variants[swept[0]]['technique'], comparison['reference']), []).append(stack)
    found = [
        _sweep(results, technique, reference, stacks, [_variant(variants, rows[stack]) for stack in stacks])
        for (technique, reference), stacks in points.items()
        if len(stacks) > 2
    ]
    return [sweep for sweep in found if sweep is not None]


def _variant(variants: Mapping[str, Mapping], techniques: Sequence[str]) -> Mapping[str, Any]:
    return next(variants[name] for name in techniques if name in variants)


def _sweep(
    results: Results, technique: str, reference: str, stacks: Sequence[str], points: Sequence[Mapping[str, Any]]
) -> Sweep | None:
    foreground = results.foreground
    contrasts = Contrasts(SCORES['dice'], results.counts, results.grid['seeds'], foreground)
    seeds = contrasts.shared_seeds(stacks)
    if not seeds:
        return None
    draws = np.clip(score_draws(contrasts, stacks, N_DRAWS, np.random.default_rng(0)), 0, 100)
    if np.isnan(draws).any():
        return None
    margin = dice_margin(results.grid) or GOOD_ENOUGH
    dice = np.array([contrasts.of(stack, seeds).full.mean() for stack in stacks])
    values, validation = _numeric(points), [_validation_dice(results, stack, seeds) for stack in stacks]
    smooth = smoother(np.array(list(values.values())).T) if values else None
    table = pd.DataFrame(
        dict(
            technique=technique,
            reference=reference,
            stack=stacks,
            settings=[_settings(point) for point in points],
            dice=dice,
            surface=np.nan if smooth is None else smooth @ dice,
            p_near_best=chance_near_best(draws if smooth is None else draws @ smooth.T, margin),
            p_best=np.bincount(draws.argmax(axis=1), minlength=len(stacks)) / N_DRAWS,
            n_seeds=len(seeds),
            validation_dice=validation,
            chosen=[place == _chosen(validation) for place in range(len(stacks))],
        )
    )
    return Sweep(technique, table, values, margin)


def _validation_dice(results: Results, stack: str, seeds: Sequence[int]) -> float:
    """The mean Dice on validation images over seeds; NaN where one of them lacks it."""
    own = (results.of_folds or results.records).values()
    of_seeds = [one.get('validation_dice') for one in own if one.get('stack') == stack and one.get('seed') in seeds]
    known = [dice for dice in of_seeds if dice is not None]
    return float(np.mean(known)) if known and len(known) == len(of_seeds) else float('nan')


def _chosen(validation: Sequence[float]) -> int | None:
    """The place of the point that is best on validation images; None unless each point has a score there."""
    return None if np.isnan(validation).any() else int(np.argmax(validation))


def _settings(point: Mapping[str, Any]) -> str:
    return ', '.join(f'{_end(key)}={text}' for key, text in point['texts'].items())


def _numeric(points: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The parameters that are numbers in all points, and not the same in all."""
    given = [point['values'] for point in points]
    keys = [key for key in given[0] if all(type(values.get(key)) in (int, float) for values in given)]
    columns = {_end(key): [float(values[key]) for values in given] for key in keys}
    return {key: column for key, column in columns.items() if len(set(column)) > 1}


def _end(key: str) -> str:
    return key.rpartition('.')[2]
