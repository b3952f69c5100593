"""Verdicts: does a stack differ from its reference, by how much, and can the number be believed?

A comparison is paired: same images, same seeds, and only seeds for which both sides are ok. The verdict is, in
this order

===============  ======================================================================================================
missing          a side has no ok cell, the sides share no ok seed, or the score is undefined
not effective    every count of every image equals the reference's in every shared seed, and no part of the stack says
                 that it acted (see :mod:`benchmarks.analysis.evidence`): the technique did nothing
equivalent       as above, but a part says that it acted: the very same predictions, by other means (not tested)
undecided        only one seed is shared (another training might say the opposite) or only one image group
gain, loss       corrected p < 0.05, by the sign of the difference
equivalent       the 90 % interval lies within +- the equivalence margin (two one-sided tests at 5 %, Schuirmann 1987)
undecided        anything else
===============  ======================================================================================================

p values are corrected by Holm's method over the comparisons of one design and one metric. Differences are in percent
points, stack minus reference.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.analysis.counts import Counts, same_counts
from benchmarks.analysis.evidence import Acted, Evidence, evidence
from benchmarks.analysis.resampling import Estimate, estimate, interval, leave_one_group_out, p_value
from benchmarks.analysis.scores import SCORES
from benchmarks.record import cell_name

METRICS = ('dice', 'mdice', 'miou', 'boundary_iou')
VERDICTS = ('gain', 'loss', 'equivalent', 'undecided', 'not effective', 'missing')
SIGNIFICANCE = 0.05
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
    acted: Acted,
    seeds: Sequence[int],
    foreground: np.ndarray,
    margin: float,
) -> list[dict]:
    """Judge all comparisons by all metrics.

    Args:
        comparisons: Mappings with ``design``, ``stack`` and ``reference``.
        counts: Counts of the ok cells.
        acted: By cell, how often each part of it acted.
        seeds: All seeds of the grid; a cell without counts is one that is not ok.
        foreground: Indices of the foreground classes, (F,).
        margin: Equivalence margin, percent points, for every metric.

    Returns:
        list: One mapping per comparison x metric, in the order given: design, stack, reference, metric, delta, low,
        high, p, p_corrected, verdict, n_seeds (shared), n_images, n_groups, seeds_covered, same_counts, and acted and
        idle, the parts of the stack that acted beyond the reference, and that never did. Numbers are NaN where there
        is nothing to say; with one shared seed the interval covers images only and no test is made.
    """
    rows, estimates = [], []
    for comparison in comparisons:
        shared = shared_seeds(counts, comparison['stack'], comparison['reference'], seeds)
        same = bool(shared) and _same_counts(counts, comparison['stack'], comparison['reference'], shared)
        found = evidence(acted, comparison['stack'], comparison['reference'], shared) if shared else Evidence([], [])
        idle = same and not found.acted
        for metric in METRICS:
            row = dict(
                design=comparison['design'],
                stack=comparison['stack'],
                reference=comparison['reference'],
                metric=metric,
                delta=_NAN,
                low=_NAN,
                high=_NAN,
                p=_NAN,
                p_corrected=_NAN,
                verdict='not effective' if idle else 'missing',
                n_seeds=len(shared),
                n_images=len(counts.images) if shared else 0,
                n_groups=counts.n_groups if shared else 0,
                seeds_covered=len(shared) > 1,
                same_counts=same,
                acted=', '.join(found.acted),
                idle=', '.join(found.idle),
            )
            est = None
            if same and not idle:
                row.update(delta=0.0, low=0.0, high=0.0, verdict='equivalent' if margin > 0 else 'undecided')
            elif shared and not idle:
                est = paired_estimate(metric, counts, comparison['stack'], comparison['reference'], shared, foreground)
                est = _describe(row, est)
            rows.append(row)
            estimates.append(est)
    _correct(rows)
    for row, est in zip(rows, estimates):
        if est is not None:
            row['verdict'] = verdict(est, row['p_corrected'], margin)
    return rows


def shared_seeds(counts: Counts, stack: str, reference: str, seeds: Iterable[int]) -> list[int]:
    """The seeds for which both sides of a comparison are ok."""
    return [
        seed for seed in seeds if cell_name(stack, seed) in counts.cells and cell_name(reference, seed) in counts.cells
    ]


def _same_counts(counts: Counts, stack: str, reference: str, seeds: Iterable[int]) -> bool:
    return all(
        same_counts(counts.cells[cell_name(stack, seed)], counts.cells[cell_name(reference, seed)]) for seed in seeds
    )


def _describe(row: dict, est: Estimate) -> Estimate | None:
    if np.isnan(est.value):
        return None
    low, high = interval(est, SIGNIFICANCE, _DIFFERENCE)
    row.update(delta=float(est.value), low=float(low), high=float(high))
    if est.seeds_covered:
        row['p'] = p_value(est)
    return est


def _correct(rows: list[dict]) -> None:
    """Fill in ``p_corrected``; a family of tests is all rows of one design and one metric."""
    families: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        families.setdefault((row['design'], row['metric']), []).append(row)
    for family in families.values():
        for row, corrected in zip(family, holm([row['p'] for row in family])):
            row['p_corrected'] = float(corrected)
