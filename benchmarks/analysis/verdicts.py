"""Verdicts: does a stack differ from its reference, by how much, and can the number be believed?

A comparison is paired: same images, same seeds, and only seeds for which both sides are ok. The first line that applies
gives the verdict:

===============  ======================================================================================================
missing          a side has no ok cell, the sides share no ok seed, or the score is undefined
not learned      a network of a side has learned nothing in a shared seed (see :mod:`benchmarks.analysis.learning`): the
                 difference is shown, but not tested. To leave out such seeds would be to choose the data.
not effective    every count of every image and every map equals the reference's in every shared seed, and no part of
                 the stack has counted an effect (see :mod:`benchmarks.analysis.evidence`): the technique did nothing
equivalent       as above, but a part has counted an effect, or the maps differ: the same labels by other means (not
                 tested)
undecided        only one seed is shared (another training might say the opposite) or only one image group
gain, loss       corrected p < 0.05, by the sign of the difference
equivalent       the 90 % interval lies within +- the equivalence margin (two one-sided tests at 5 %, Schuirmann 1987)
undecided        anything else
===============  ======================================================================================================

p values are corrected by Holm's method over the comparisons of one design and one metric. Differences are in percent
points, stack minus reference.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import Counts, same_counts
from benchmarks.analysis.evidence import EffectCounts, Evidence, evidence
from benchmarks.analysis.more_seeds import SIGNIFICANCE, more_seeds
from benchmarks.analysis.resampling import Estimate, estimate, interval, leave_one_group_out, p_value
from benchmarks.analysis.scores import SCORES
from benchmarks.record import cell_name

METRICS = ('dice', 'mdice', 'miou', 'boundary_iou')
VERDICTS = ('gain', 'loss', 'equivalent', 'undecided', 'not effective', 'not learned', 'missing')
_DIFFERENCE = (-100.0, 100.0)
_NAN = float('nan')


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: the k-th smallest of m times (m - k + 1), made monotone, at most 1.

    Args:
        p_values: (m,), NaN for a test that was not made: it stays NaN and does not count.

    Returns:
        np.ndarray: Corrected p values (m,).

    Example:
        >>> holm([0.01, 0.5, float('nan'), 0.02]).tolist()
        [0.03, 0.5, nan, 0.04]
    """
    raw = np.asarray(p_values, float)
    tested = np.flatnonzero(~np.isnan(raw))
    order = tested[np.argsort(raw[tested], kind='stable')]
    corrected = np.full(raw.shape, np.nan)
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * raw[order]))
    return corrected


def verdict(est: Estimate, p_corrected: float, margin: float) -> str:
    """The verdict of a test that was made: gain, loss, equivalent or undecided; see the table above.

    Args:
        est: The difference, percent points.
        p_corrected: Its corrected p value; NaN leaves it undecided.
        margin: Differences up to this many percent points count as none; 0 switches ``equivalent`` off.
    """
    if not est.seeds_covered or np.isnan(p_corrected):
        return 'undecided'
    if p_corrected < SIGNIFICANCE:
        return 'gain' if est.value > 0 else 'loss'
    low, high = interval(est, 2 * SIGNIFICANCE, _DIFFERENCE)
    return 'equivalent' if margin > 0 and -margin < low and high < margin else 'undecided'


def score_by_seed(
    name: str, counts: Counts, stack: str, seeds: Iterable[int], foreground: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A score of a stack for each seed: over all images (S,), and without each image group (S, G)."""
    parts = []
    for seed in seeds:
        addends = SCORES[name].addends(counts.cells[cell_name(stack, seed)], foreground)
        parts.append(leave_one_group_out(addends, counts.groups, SCORES[name].finish))
    return np.array([full for full, _ in parts]), np.array([without for _, without in parts])


def stack_estimate(name: str, counts: Counts, stack: str, seeds: Sequence[int], foreground: np.ndarray) -> Estimate:
    """A score of a stack, mean over its ok ``seeds`` (at least one), with its variances."""
    return estimate(*score_by_seed(name, counts, stack, seeds, foreground), np.bincount(counts.groups))


def paired_estimate(
    name: str, counts: Counts, stack: str, reference: str, seeds: Sequence[int], foreground: np.ndarray
) -> Estimate:
    """Stack minus reference on the same images and the same ``seeds`` (at least one), with its variances."""
    full, without = score_by_seed(name, counts, stack, seeds, foreground)
    full_reference, without_reference = score_by_seed(name, counts, reference, seeds, foreground)
    return estimate(full - full_reference, without - without_reference, np.bincount(counts.groups))


def compare(
    comparisons: Sequence[Mapping],
    counts: Counts,
    effect_counts: EffectCounts,
    seeds: Sequence[int],
    foreground: np.ndarray,
    margin: float,
    not_learned: Collection[str] = (),
    maps: Mapping[str, str | None] | None = None,
) -> list[dict]:
    """Judge all comparisons by all metrics.

    Args:
        comparisons: Mappings with ``design``, ``stack`` and ``reference``.
        counts: Counts of the ok cells.
        effect_counts: By cell, how often each part of it did its work.
        seeds: All seeds of the grid; a cell without counts is not ok.
        foreground: Indices of the foreground classes, (F,).
        margin: Equivalence margin, percent points, for every metric.
        not_learned: Cells whose network has learned nothing.
        maps: By cell, a digest of its maps; a cell without one says nothing about its maps.

    Returns:
        list: One mapping per comparison x metric, in the order of the comparisons: design, stack, reference, metric,
        delta, low, high, p, p_corrected, verdict, n_seeds (shared), n_images, n_groups, seeds_covered, same_counts,
        acted (the parts that had an effect beyond the reference's), idle (the parts that never had any), limited_by and
        seeds_to_decide (see :mod:`benchmarks.analysis.more_seeds`). Numbers are NaN where they are undefined.
        With one shared seed the interval covers images only, and no test is made.
    """
    rows, estimates = [], []
    for comparison in comparisons:
        pair = _paired(comparison, counts, effect_counts, seeds, not_learned, maps or {})
        for metric in METRICS:
            row, estimated = _untested_row(comparison, metric, counts, pair), None
            if pair.same_predictions:
                row.update(delta=0.0, low=0.0, high=0.0, verdict='equivalent' if margin > 0 else 'undecided')
            elif pair.seeds and not pair.without_effect:
                stack, reference = comparison['stack'], comparison['reference']
                estimated = paired_estimate(metric, counts, stack, reference, pair.seeds, foreground)
                estimated = _describe(row, estimated, tested=not pair.not_learned)
            rows.append(row)
            estimates.append(estimated)
    _correct(rows)
    tests = Counter(_family(row) for row in rows if not np.isnan(row['p']))
    for row, estimated in zip(rows, estimates):
        if estimated is not None and row['verdict'] != 'not learned':
            row['verdict'] = verdict(estimated, row['p_corrected'], margin)
            if row['verdict'] == 'undecided':
                row['limited_by'], row['seeds_to_decide'] = more_seeds(estimated, margin, max(tests[_family(row)], 1))
    return rows


class _Pair(NamedTuple):
    """What a stack and its reference have in common.

    Args:
        seeds: Seeds for which both are ok.
        same: Whether all counts of all images are equal in all these seeds; False without seeds.
        evidence: The parts of the stack that had an effect, and those that had none.
        not_learned: Whether a network of either has learned nothing in one of these seeds.
        other_maps: Whether the maps are known to differ in one of these seeds.
    """

    seeds: list[int]
    same: bool
    evidence: Evidence
    not_learned: bool = False
    other_maps: bool = False

    @property
    def without_effect(self) -> bool:
        """The technique did nothing: equal counts, and no part that had an effect."""
        return self.same and not self.not_learned and not self.evidence.active and not self.other_maps

    @property
    def same_predictions(self) -> bool:
        """The technique leads to the same predictions by other means."""
        return self.same and not self.not_learned and (bool(self.evidence.active) or self.other_maps)


def _paired(
    comparison: Mapping,
    counts: Counts,
    effect_counts: EffectCounts,
    seeds: Sequence[int],
    not_learned: Collection[str],
    maps: Mapping[str, str | None],
) -> _Pair:
    stack, reference = comparison['stack'], comparison['reference']
    shared = shared_seeds(counts, stack, reference, seeds)
    if not shared:
        return _Pair([], False, Evidence([], []))
    same = _same_counts(counts, stack, reference, shared)
    sides = [(cell_name(stack, seed), cell_name(reference, seed)) for seed in shared]
    return _Pair(
        shared,
        same,
        evidence(effect_counts, stack, reference, shared),
        not_learned=any(cell in not_learned for pair in sides for cell in pair),
        other_maps=any(None not in (maps.get(a), maps.get(b)) and maps[a] != maps[b] for a, b in sides),
    )


def _untested_row(comparison: Mapping, metric: str, counts: Counts, pair: _Pair) -> dict:
    """The row of a comparison before any number is known."""
    return dict(
        design=comparison['design'],
        stack=comparison['stack'],
        reference=comparison['reference'],
        metric=metric,
        delta=_NAN,
        low=_NAN,
        high=_NAN,
        p=_NAN,
        p_corrected=_NAN,
        verdict=_without_test(pair),
        n_seeds=len(pair.seeds),
        n_images=len(counts.images) if pair.seeds else 0,
        n_groups=counts.n_groups if pair.seeds else 0,
        seeds_covered=len(pair.seeds) > 1,
        same_counts=pair.same,
        acted=', '.join(pair.evidence.active),
        idle=', '.join(pair.evidence.inactive),
        limited_by='',
        seeds_to_decide=None,
    )


def _without_test(pair: _Pair) -> str:
    if pair.not_learned:
        return 'not learned'
    return 'not effective' if pair.without_effect else 'missing'


def shared_seeds(counts: Counts, stack: str, reference: str, seeds: Iterable[int]) -> list[int]:
    """The seeds for which both sides of a comparison are ok."""
    return [
        seed for seed in seeds if cell_name(stack, seed) in counts.cells and cell_name(reference, seed) in counts.cells
    ]


def _same_counts(counts: Counts, stack: str, reference: str, seeds: Iterable[int]) -> bool:
    return all(
        same_counts(counts.cells[cell_name(stack, seed)], counts.cells[cell_name(reference, seed)]) for seed in seeds
    )


def _describe(row: dict, est: Estimate, *, tested: bool) -> Estimate | None:
    """Fill in the numbers of a row; None if the difference is undefined. Only a ``tested`` one has a p value."""
    if np.isnan(est.value):
        return None
    low, high = interval(est, SIGNIFICANCE, _DIFFERENCE)
    row.update(delta=float(est.value), low=float(low), high=float(high))
    if est.seeds_covered and tested:
        row['p'] = p_value(est)
    return est


def _family(row: Mapping) -> tuple[str, str]:
    """The design and the metric of a row, whose tests are corrected together."""
    return row['design'], row['metric']


def _correct(rows: list[dict]) -> None:
    """Fill in ``p_corrected``; a family of tests is all rows of one design and one metric."""
    families: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        families.setdefault(_family(row), []).append(row)
    for family in families.values():
        for row, corrected in zip(family, holm([row['p'] for row in family])):
            row['p_corrected'] = float(corrected)
