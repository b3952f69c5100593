"""The table of differences that a mean over classes and images hides: of each class, and of the median image."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.class_scores import dice_per_image_of, medians, pooled_dice_of
from benchmarks.analysis.contrasts import Contrasts
from benchmarks.analysis.families import distinct_pairs
from benchmarks.analysis.findings import intervals_at, of_these_checkpoints, verdicts_of
from benchmarks.analysis.scores import SCORES
from benchmarks.record import cell_name
from benchmarks.reports.arms import clean_rows, stacks_not_learned
from benchmarks.reports.pair_verdicts import NONE_COMPARED, PairVerdicts
from benchmarks.reports.results import Results, contrasts_of, looks_at, ok_seeds

PER_IMAGE, POOLED, MEDIAN, MEAN = 'class, per image', 'class, pooled', 'median image', 'mean image'
MOST_CLASSES = 20  # those that most images show
HIDDEN_COLUMNS = (
    'stack',
    'reference',
    'score',
    'class_name',
    'delta',
    'low',
    'high',
    'verdict',
    'checkpoints_low',
    'checkpoints_high',
    'checkpoints_verdict',
    'surprise',
    'n_seeds',
    'lenders',
)
_WIDEST = (-100.0, 100.0)


class _Score(NamedTuple):
    """A score by its name, and the class that it is of."""

    name: str
    class_name: str
    contrasts: Contrasts


def hidden_table(results: Results, margin: float, told: PairVerdicts = NONE_COMPARED) -> pd.DataFrame:
    """One row per comparison and score, with the columns ``HIDDEN_COLUMNS``; the most surprising first.

    Scores are the Dice of each foreground class, pooled over images and as a mean per image, of the median image, and
    of the mean image to compare with. ``surprise`` is the distance of ``delta`` from that of the mean image, in half
    widths of its interval for these checkpoints, both in all seeds that the rows share. Verdicts and numbers of the
    mean image are those of the comparison table; all other verdicts are corrected over all comparisons by one score.
    Stacks that have not learned, conditions, and pairs with the same predictions are left out.

    Args:
        results: The records and counts of the grid.
        margin: Equivalence margin, percent points; 0 for none.
        told: The comparison table by Dice; a pair that it compares has its verdict and its numbers.
    """
    pairs = list(_pairs(results))
    rows: list[dict] = []
    for score in _scores(results) if pairs else ():
        estimates = [score.contrasts.estimate({stack: 1.0, reference: -1.0}) for stack, reference in pairs]
        of_score = [
            dict(zip(HIDDEN_COLUMNS, (*pair, score.name, score.class_name, float(est.value))))
            | dict(n_seeds=est.n_seeds, lenders=est.lenders)
            for pair, est in zip(pairs, estimates)
            if est is not None
        ]
        known = [est for est in estimates if est is not None]
        looks = looks_at(results, [pair for pair, est in zip(pairs, estimates) if est is not None])
        for before, asked in (('', known), ('checkpoints_', [of_these_checkpoints(est) for est in known])):
            ends = np.clip(intervals_at(asked, looks), *_WIDEST)
            for row, (low, high), verdict in zip(of_score, ends, verdicts_of(asked, margin, looks)):
                row |= {f'{before}low': low, f'{before}high': high, f'{before}verdict': verdict}
        rows += of_score
    table = _by_surprise(pd.DataFrame(rows, columns=list(HIDDEN_COLUMNS)))
    as_told = [_as_told(row, told) for row in table.to_dict('records')]
    return pd.DataFrame(as_told, columns=list(HIDDEN_COLUMNS)).astype(table.dtypes)


def _as_told(row: dict, told: PairVerdicts) -> dict:
    """A row on the mean image as the comparison table has it, if that has the pair; any other row as it is."""
    known = told.get((row['stack'], row['reference']))
    if row['score'] != MEAN or known is None:
        return row
    return row | {name: value for name, value in known.columns.items() if name in HIDDEN_COLUMNS}


def _by_surprise(table: pd.DataFrame) -> pd.DataFrame:
    mean = table[table['score'] == MEAN].set_index(['stack', 'reference'])['delta']
    overall = pd.Series([mean.get(pair, np.nan) for pair in zip(table['stack'], table['reference'])], table.index)
    half = (table['checkpoints_high'] - table['checkpoints_low']) / 2
    table['surprise'] = ((table['delta'] - overall).abs() / half.where(half > 0)).astype(float)
    return table.sort_values('surprise', ascending=False, kind='stable', ignore_index=True)


def _pairs(results: Results) -> Iterator[tuple[str, str]]:
    """The distinct comparisons of clean rows that have learned, and whose predictions differ."""
    usable = {row['stack'] for row in clean_rows(results.grid)} - stacks_not_learned(results)
    measured = {frozenset((pair.stack, pair.reference)) for pair in results.lending.pairs}
    for pair in distinct_pairs(results.grid['comparisons']):
        if frozenset(pair) in measured and set(pair) <= usable:
            yield pair


def _scores(results: Results) -> Iterator[_Score]:
    """The scores; of many classes those that most images show, and of a single one the pooled score alone."""
    foreground = results.foreground
    yield _Score(MEAN, '', contrasts_of(results, SCORES['dice']))
    yield _Score(MEDIAN, '', contrasts_of(results, SCORES['dice'], medians))
    row = next(row['stack'] for row in clean_rows(results.grid) if ok_seeds(results, row['stack']))
    area = results.counts.cells[cell_name(row, ok_seeds(results, row)[0])].area[:, foreground]
    images = (area[..., 0] + area[..., 2] > 0).sum(axis=0)
    for place in np.sort(np.argsort(-images, kind='stable')[:MOST_CLASSES]):
        index = int(foreground[place])
        name = results.grid['classes'][index]
        if images[place]:
            yield _Score(POOLED, name, contrasts_of(results, pooled_dice_of(index)))
            if len(foreground) > 1:
                yield _Score(PER_IMAGE, name, contrasts_of(results, dice_per_image_of(index)))
