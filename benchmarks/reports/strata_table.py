"""The table of strata: the gain of each comparison by size, class, difficulty and condition of the test images."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.families import distinct_pairs
from benchmarks.analysis.findings import intervals_at, of_these_checkpoints, verdicts_of
from benchmarks.analysis.lenders import Lenders
from benchmarks.analysis.resampling import Estimate
from benchmarks.analysis.scores import SCORES
from benchmarks.analysis.strata import (
    Levels,
    Stratum,
    beyond_the_rest,
    by_class,
    by_difficulty,
    by_size,
    gain_in,
    truth_pixels,
    unit_dice,
)
from benchmarks.record import cell_name, stack_name
from benchmarks.reports.arms import clean_rows, conditions, stacks_not_learned
from benchmarks.reports.pair_verdicts import NONE_COMPARED, PairVerdicts
from benchmarks.reports.pixel_gains import OF_PIXELS, PixelGains
from benchmarks.reports.results import Results, contrasts_of, looks_at, ok_seeds

SIZE, CLASS, DIFFICULTY, CONDITION = 'size', 'class', 'difficulty', 'condition'
STRATA_COLUMNS = (
    'stack',
    'reference',
    'by',
    'stratum',
    'units',
    'changed',
    'gain',
    'low',
    'high',
    'verdict',
    'more',
    'more_low',
    'more_high',
    'more_verdict',
    'checkpoints_low',
    'checkpoints_high',
    'checkpoints_verdict',
    'more_checkpoints_low',
    'more_checkpoints_high',
    'more_checkpoints_verdict',
    'n_seeds',
    'measure',
)
DICE, RIGHT_PIXELS = 'dice', 'right pixels'
_WIDEST = (-200.0, 200.0)  # of a difference of two differences of percentages


class _Gain(NamedTuple):
    """The gain in a stratum, what it is beyond the rest, and the stacks of both."""

    stack: str
    reference: str
    by: str
    stratum: str
    units: int
    gain: Estimate
    more: Estimate | None
    stacks: frozenset[str]
    pair: tuple[str, str] | None = None  # the rows, where this is the difference of two whole rows


def strata_table(results: Results, margin: float, told: PairVerdicts = NONE_COMPARED) -> pd.DataFrame:
    """One row per comparison and stratum, with the columns ``STRATA_COLUMNS``.

    ``gain`` is the mean gain of the stratum's units (see :mod:`benchmarks.analysis.strata`) in Dice points; under a
    condition it is that of the whole images, and in strata of pixels that of the share labelled right, as ``measure``
    says (:mod:`benchmarks.analysis.pixel_strata`). No such share is called equivalent, because the margin is one of
    Dice. ``more`` is that minus the gain in all other units; under a condition, minus the gain on the clean images.
    Columns with ``checkpoints_`` speak of other images and the networks that were
    trained, all others of another training, too. Verdicts are corrected over all strata of all comparisons, each kind
    of number apart; but under a condition, and on the clean images beside it, a pair of rows that the grid compares has
    the verdict and the numbers of that comparison. ``units`` counts pairs of image and class (and size of objects),
    those of one seed; under a condition and in strata of pixels images. ``changed`` is the number of techniques by
    which the two stacks differ.

    Args:
        results: The records and counts of the grid.
        margin: Equivalence margin, percent points; 0 for none.
        told: The comparison table by Dice; a pair that it compares has its verdict and its numbers.
    """
    units, under = _Units(results), _Conditions(results)
    pixels = PixelGains(results, results.lending, units.scores)
    found = [
        gain
        for pair in _pairs(results)
        for gain in (*_of_units(results, units, *pair), *_of_pixels(results, pixels, *pair), *under.of(*pair))
    ]
    techniques = {row['stack']: set(row['techniques']) for row in results.grid['rows']}
    rows = [
        dict(stack=gain.stack, reference=gain.reference, by=gain.by, stratum=gain.stratum, units=gain.units)
        | dict(changed=len(techniques[gain.stack] ^ techniques[gain.reference]))
        | dict(gain=float(gain.gain.value), more=np.nan if gain.more is None else float(gain.more.value))
        | dict(n_seeds=gain.gain.n_seeds, measure=RIGHT_PIXELS if gain.by in OF_PIXELS else DICE)
        for gain in found
    ]
    looks = looks_at(results, [gain.stacks for gain in found])
    for before, estimates in (('', [gain.gain for gain in found]), ('more_', [gain.more for gain in found])):
        for kind, judged in (('', estimates), ('checkpoints_', [of_these_checkpoints(est) for est in estimates])):
            ends = np.clip(intervals_at(judged, looks), *_WIDEST)
            for row, (low, high), verdict in zip(rows, ends, verdicts_of(judged, margin, looks)):
                blind = row['measure'] == RIGHT_PIXELS and verdict == 'equivalent'
                row |= {f'{before}{kind}low': low, f'{before}{kind}high': high}
                row[f'{before}{kind}verdict'] = 'undecided' if blind else verdict
    for row, gain in zip(rows, found):
        known = told.get(gain.pair) if gain.pair else None
        if known:
            row |= {'gain' if name == 'delta' else name: value for name, value in known.columns.items()}
    return pd.DataFrame(rows, columns=list(STRATA_COLUMNS))


def _pairs(results: Results) -> list[tuple[str, str]]:
    """The distinct comparisons of clean rows that have learned, with a shared seed."""
    usable = {row['stack'] for row in clean_rows(results.grid)} - stacks_not_learned(results)
    pairs = distinct_pairs(results.grid['comparisons'])
    return [pair for pair in pairs if set(pair) <= usable and _shared(results, *pair)]


def _shared(results: Results, stack: str, reference: str) -> list[int]:
    return [seed for seed in ok_seeds(results, stack) if seed in ok_seeds(results, reference)]


class _Units:
    """The strata of the units of a grid's test images, the scores in them, and who lends to their gains.

    Args:
        results: The records and counts of the grid.
    """

    def __init__(self, results: Results) -> None:
        self._results, self._lending = results, results.lending
        self._foreground = results.foreground
        self._scores: dict[tuple[str, int], np.ndarray] = {}
        self._strata: dict[str, list[tuple[str, Stratum]]] = {}
        self._lenders: dict[tuple, Lenders] = {}

    def scores(self, stack: str, seed: int) -> np.ndarray:
        """The Dice of the units of an ok cell, (N, F)."""
        if (stack, seed) not in self._scores:
            cell = self._results.counts.cells[cell_name(stack, seed)]
            self._scores[stack, seed] = unit_dice(cell, self._foreground)
        return self._scores[stack, seed]

    def strata(self, reference: str) -> list[tuple[str, Stratum]]:
        """The strata by size, class and difficulty for a reference, each with what it is by; masks per seed of it."""
        if reference not in self._strata:
            seeds = ok_seeds(self._results, reference)
            pixels = truth_pixels(self._results.counts.cells[cell_name(reference, seeds[0])], self._foreground)
            names = [self._results.grid['classes'][index] for index in self._foreground]
            theirs = np.array([self.scores(reference, seed) for seed in seeds])
            kinds = {
                SIZE: by_size(pixels),
                CLASS: by_class(pixels, names),
                DIFFICULTY: by_difficulty(theirs, range(len(seeds))),
            }
            self._strata[reference] = [
                (by, stratum) for by, strata in kinds.items() for stratum in strata if len(strata) > 1
            ]
        return self._strata[reference]

    def lenders(self, reference: str, by: str, stratum: Stratum, *, beyond: bool) -> Lenders:
        """Who lends to gains in a stratum; a stratum by difficulty is one of the reference."""
        key = (reference if by == DIFFICULTY else '', by, stratum.name, beyond)
        if key not in self._lenders:
            seeds = ok_seeds(self._results, reference) if by == DIFFICULTY else self._results.grid['seeds']
            masks = dict(zip(seeds, np.broadcast_to(stratum.mask, (len(seeds), *stratum.mask.shape[-2:]))))
            self._lenders[key] = Lenders(Levels(self.scores, masks, beyond=beyond), self._lending)
        return self._lenders[key]


def _of_units(results: Results, units: _Units, stack: str, reference: str) -> Iterator[_Gain]:
    """The gains by size, class and difficulty."""
    groups, folds, seeds = results.counts.groups, results.counts.folds, _shared(results, stack, reference)
    gains = np.array([units.scores(stack, seed) - units.scores(reference, seed) for seed in seeds])
    if not np.nan_to_num(gains).any():
        return  # the same predictions
    rows = [ok_seeds(results, reference).index(seed) for seed in seeds]
    pair = {stack: 1.0, reference: -1.0}
    for by, stratum in units.strata(reference):
        mask = stratum.mask[rows] if stratum.mask.ndim == 3 else stratum.mask
        est = units.lenders(reference, by, stratum, beyond=False).lend(gain_in(gains, mask, groups, folds), pair, seeds)
        if est is not None:
            more = beyond_the_rest(gains, mask, groups, folds)
            more = units.lenders(reference, by, stratum, beyond=True).lend(more, pair, seeds)
            yield _Gain(stack, reference, by, stratum.name, _units(stratum), est, more, frozenset(pair))


def _of_pixels(results: Results, pixels: PixelGains, stack: str, reference: str) -> Iterator[_Gain]:
    """The gains by object size, boundary distance, confidence and agreement of views."""
    for of in pixels.of(stack, reference, _shared(results, stack, reference)):
        yield _Gain(stack, reference, of.by, of.stratum, of.units, of.gain, of.more, frozenset((stack, reference)))


def _units(stratum: Stratum) -> int:
    return int(stratum.mask.sum() / (len(stratum.mask) if stratum.mask.ndim == 3 else 1))


class _Conditions:
    """The gains under each condition of a grid.

    Args:
        results: The records and counts of the grid.
    """

    def __init__(self, results: Results) -> None:
        self._techniques = {row['stack']: row['techniques'] for row in results.grid['rows']}
        changed = conditions(results.grid)
        in_order = (name for techniques in self._techniques.values() for name in techniques if name in changed)
        self._names, self._images = list(dict.fromkeys(in_order)), len(results.counts.images)
        self._contrasts = contrasts_of(results, SCORES['dice'])

    def of(self, stack: str, reference: str) -> Iterator[_Gain]:
        """The gains on clean images and under each condition, if the grid tests both stacks under one."""
        clean = {stack: 1.0, reference: -1.0}
        found: list[tuple[str, Mapping[str, float]]] = []
        for condition in self._names:
            ours, theirs = (stack_name([*self._techniques[side], condition]) for side in (stack, reference))
            if ours in self._techniques and theirs in self._techniques:
                found.append((condition, {ours: 1.0, theirs: -1.0}))
        for condition, weights in [('', clean), *found] if found else ():
            est = self._contrasts.estimate(weights)
            if est is not None:
                more = None if not condition else self._contrasts.estimate({**weights, stack: -1.0, reference: 1.0})
                under = 'clean images' if not condition else f'images under `{condition}`'
                ours, theirs = weights
                of = frozenset((*weights, *clean))
                yield _Gain(stack, reference, CONDITION, under, self._images, est, more, of, (ours, theirs))
