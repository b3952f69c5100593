"""What moved between two runs: each row after against the same row before.

A row is **paired** by image and seed where both runs were tested on the same images, in the same groups, and share
seeds of it: then it is a comparison of two stacks like any other (:mod:`benchmarks.analysis.verdicts`), whose seed
variance borrows from the trainings of both runs. Elsewhere it is **unpaired**: the variances of both scores add,

    V_groups = V_groups,before + V_groups,after        V_seeds = V_seeds,before + V_seeds,after

each with the degrees of freedom of Welch and Satterthwaite, ``V^2 / sum_side V_side^2 / df_side``; both parts then add
as Behrens and Fisher have it (:mod:`benchmarks.analysis.two_variances`). Unpaired intervals are longer. All rows are
one family, corrected by Holm: in two runs that differ by chance alone, a row moves in 5 % of pairs of runs.

References: Welch 1947; Satterthwaite 1946.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import Counts
from benchmarks.analysis.differences import Measured, Scores, measure, stack_estimate
from benchmarks.analysis.pairs import Facts, Pair
from benchmarks.analysis.resampling import Estimate
from benchmarks.analysis.verdicts import judged_at_once, judged_rows, rows_of
from benchmarks.record import cell_name

BEFORE, AFTER = 'before ', 'after '
PAIRED, UNPAIRED = 'paired', 'unpaired'


class Run(NamedTuple):
    """One of the two runs.

    Attributes:
        counts: Counts of its ok cells.
        facts: What else is known of the cells.
        seeds: All of its seeds.
        foreground: Indices of its foreground classes, (F,).
        images: A digest of the test images and masks; None where it was not recorded.
    """

    counts: Counts
    facts: Facts
    seeds: Sequence[int]
    foreground: np.ndarray
    images: str | None

    def ok_seeds(self, stack: str) -> list[int]:
        """The seeds for which the stack's cell is ok."""
        return [seed for seed in self.seeds if cell_name(stack, seed) in self.counts.cells]

    def score(self, metric: str, stack: str, seeds: Sequence[int] | None = None) -> float:
        """The mean score of a stack over some of its ok seeds, or over all of them; NaN without any."""
        seeds = self.ok_seeds(stack) if seeds is None else seeds
        return float(stack_estimate(metric, self.counts, stack, seeds, self.foreground).value) if seeds else np.nan

    def learned(self, stack: str) -> bool:
        """Whether the network of each ok seed has learned something."""
        return not any(cell_name(stack, seed) in self.facts.not_learned for seed in self.ok_seeds(stack))


def why_unpaired(before: Run, after: Run) -> str:
    """Why no row can be paired by image; empty if rows can."""
    one, other = before.counts, after.counts
    if before.images != after.images or one.images != other.images:
        return 'the test images differ'
    if not np.array_equal(before.foreground, after.foreground):
        return 'the classes differ'
    if not np.array_equal(one.groups, other.groups):
        return 'the groups of the test images differ'
    folds = [counts.folds if counts.folds is not None else np.zeros(0) for counts in (one, other)]
    if not np.array_equal(folds[0], folds[1]):
        return 'the folds differ'
    return ''


def moved(stacks: Sequence[str], before: Run, after: Run, margins: Mapping[str, float]) -> list[dict]:
    """Judge each row after against the row before.

    Args:
        stacks: The rows that both runs have.
        before: The run that is the reference.
        after: The other run.
        margins: The metrics with the equivalence margin of each, in its unit; 0 for none.

    Returns:
        list: One mapping per row x metric, as by :func:`benchmarks.analysis.verdicts.compare`; ``stack`` and
        ``reference`` are the row's name, ``how`` says whether it is paired, and ``before`` and ``after`` are its scores
        in the seeds that are compared, percent or pixels.
    """
    comparisons = [dict(design='', stack=AFTER + stack, reference=BEFORE + stack) for stack in stacks]
    primary = {frozenset((one['stack'], one['reference'])) for one in comparisons}
    by_image = not why_unpaired(before, after)
    judged: dict[tuple[str, str, str], dict] = {}
    for metric, margin in margins.items():
        pairs = _paired(comparisons, before, after, metric) if by_image else {}
        measured = [pairs.get(stack) or _unpaired(stack, before, after, metric) for stack in stacks]
        rows = judged_rows(measured, margin, judged_at_once(measured, primary))
        for stack, (pair, _), row in zip(stacks, measured, rows):
            seeds = pair.seeds if stack in pairs else None
            row |= dict(how=PAIRED if stack in pairs else UNPAIRED)
            row |= dict(before=before.score(metric, stack, seeds), after=after.score(metric, stack, seeds))
            judged[AFTER + stack, BEFORE + stack, metric] = row
    rows = rows_of(comparisons, judged, after.counts, tuple(margins))
    return [row | {side: row[side].split(' ', 1)[1] for side in ('stack', 'reference')} for row in rows]


def _paired(comparisons: Sequence[dict], before: Run, after: Run, metric: str) -> dict[str, Measured]:
    """The rows with shared seeds, by name."""
    both = [(BEFORE, before), (AFTER, after)]
    counts = after.counts._replace(
        cells={side + cell: of for side, run in both for cell, of in run.counts.cells.items()}
    )
    facts = Facts(
        {side + cell: of for side, run in both for cell, of in run.facts.effect_counts.items()},
        {side + cell for side, run in both for cell in run.facts.not_learned},
        {side + cell: of for side, run in both for cell, of in run.facts.maps.items()},
        {side + cell: of for side, run in both for cell, of in run.facts.weights.items()},
    )
    seeds = sorted({*before.seeds, *after.seeds})
    measured = measure(comparisons, Scores(metric, counts, after.foreground), counts, facts, seeds)
    return {pair.stack.removeprefix(AFTER): (pair, est) for pair, est in measured if pair.seeds}


def _unpaired(stack: str, before: Run, after: Run, metric: str) -> Measured:
    """A row whose runs have other images or seeds."""
    numbers = [len(run.ok_seeds(stack)) for run in (before, after)]
    learned = before.learned(stack) and after.learned(stack)
    pair = Pair(AFTER + stack, BEFORE + stack, tuple(range(min(numbers))), not_learned=not learned)
    if not min(numbers):
        return pair, None
    one, other = (
        stack_estimate(metric, run.counts, stack, run.ok_seeds(stack), run.foreground) for run in (before, after)
    )
    return pair, None if np.isnan(one.value + other.value) else difference(other, one)


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One score minus another one of other images, or of other seeds of the same images."""
    groups, groups_freedom = _sum(
        [(float(est.variance_groups), max(float(est.effective_groups) - 1, 1.0)) for est in (one, other)]
    )
    n_seeds = min(one.n_seeds, other.n_seeds)
    seeds, seeds_freedom = _sum([(float(est.variance_seeds), est.n_seeds - 1) for est in (one, other)])
    folds = [est.n_folds for est in (one, other) if est.n_folds > 1]
    return Estimate(
        np.asarray(one.value - other.value),
        np.asarray(groups),
        np.asarray(seeds if n_seeds > 1 else 0.0),
        np.asarray(groups_freedom + 1),
        n_seeds,
        prior_freedom=max(seeds_freedom - (n_seeds - 1), 0.0) if n_seeds > 1 else 0.0,
        behrens_fisher=True,
        variance_folds=float(np.sum([est.variance_folds for est in (one, other)])),
        n_folds=min(folds, default=1),
    )


def _sum(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of independent variances, and its degrees of freedom; those of the poorest part where all are 0."""
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / freedom for variance, freedom in parts if variance > 0)
    return total, total**2 / squares if squares > 0 else min(freedom for _, freedom in parts)
