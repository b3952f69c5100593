"""The differences of a grid by one score, estimated in two passes.

First each difference by itself: the same images, the same seeds. Then the seed variances borrow strength from one
another (:mod:`benchmarks.analysis.lenders`), apart for differences of two trainings and for differences within one.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.analysis.cell_scores import SeedScores, scores_of
from benchmarks.analysis.counts import Counts
from benchmarks.analysis.lenders import Lenders, Lending, Trainings
from benchmarks.analysis.pairs import Facts, Pair, paired
from benchmarks.analysis.resampling import Estimate, estimate
from benchmarks.analysis.scores import SCORES

Measured = tuple[Pair, Estimate | None]


class Scores:
    """One score of all cells.

    Args:
        name: A key of ``SCORES``.
        counts: Counts of the ok cells.
        foreground: Indices of the foreground classes, (F,).
    """

    def __init__(self, name: str, counts: Counts, foreground: np.ndarray) -> None:
        self._cells = scores_of(SCORES[name], counts, foreground)

    def of(self, stack: str, seeds: Sequence[int]) -> SeedScores:
        """The scores of a stack for ok seeds, at least one."""
        return self._cells.of(stack, seeds)

    def difference(self, stack: str, reference: str, seeds: Sequence[int]) -> Estimate:
        """Stack minus reference on the same images and the same ok seeds, with the variances of these seeds alone."""
        ours, theirs = self.of(stack, seeds), self.of(reference, seeds)
        sizes = (ours.sizes + theirs.sizes).mean(axis=0)
        of_folds = ours.without_fold - theirs.without_fold
        return estimate(ours.full - theirs.full, ours.without - theirs.without, sizes, of_folds)


def estimate_differences(pairs: Sequence[Pair], scores: Scores, trainings: Trainings) -> list[Estimate | None]:
    """The difference of each pair, with moderated seed variances; None where a score is undefined.

    Args:
        pairs: Distinct pairs with at least one shared seed each. Those that have not learned neither borrow nor lend.
        scores: The score.
        trainings: The trainings of their stacks.
    """
    own = [scores.difference(pair.stack, pair.reference, pair.seeds) for pair in pairs]
    lenders = Lenders(lambda stack, seeds: scores.of(stack, seeds).full, Lending(pairs, trainings))
    return [
        None if np.isnan(est.value) else lenders.lend(est, {pair.stack: 1.0, pair.reference: -1.0}, pair.seeds)
        for pair, est in zip(pairs, own)
    ]


def measure(
    comparisons: Sequence[Mapping], scores: Scores, counts: Counts, facts: Facts, seeds: Sequence[int]
) -> list[Measured]:
    """The distinct pairs of the comparisons, each with its difference by one score, or None where there is none.

    Args:
        comparisons: Mappings with ``stack`` and ``reference``.
        scores: The score; it may have more cells than ``counts``, which alone count.
        counts: Counts of the ok cells.
        facts: What else is known of the cells.
        seeds: All seeds of the grid; a cell without counts is not ok.
    """
    pairs = _pairs(comparisons, counts, facts, seeds)
    lending = _lending(pairs, counts, facts, seeds)
    found = zip(lending.pairs, estimate_differences(lending.pairs, scores, lending.trainings))
    estimates = {(pair.stack, pair.reference): est for pair, est in found}
    return [(pair, estimates.get((pair.stack, pair.reference))) for pair in pairs]


def lending_of(comparisons: Sequence[Mapping], counts: Counts, facts: Facts, seeds: Sequence[int]) -> Lending:
    """Who lends seed variance in a grid: its measured differences, and their trainings.

    Args: as :func:`measure`.
    """
    return _lending(_pairs(comparisons, counts, facts, seeds), counts, facts, seeds)


def _pairs(comparisons: Sequence[Mapping], counts: Counts, facts: Facts, seeds: Sequence[int]) -> list[Pair]:
    """The distinct pairs of the comparisons."""
    keys = {(comparison['stack'], comparison['reference']): None for comparison in comparisons}
    return [paired(*key, counts, facts, seeds) for key in keys]


def _lending(pairs: Sequence[Pair], counts: Counts, facts: Facts, seeds: Sequence[int]) -> Lending:
    stacks = [name for pair in pairs for name in (pair.stack, pair.reference)]
    usable = counts.cells.keys() - set(facts.not_learned)
    measured = [pair for pair in pairs if pair.measured]
    return Lending(measured, Trainings(stacks, facts.weights, usable, seeds))


def stack_estimate(name: str, counts: Counts, stack: str, seeds: Sequence[int], foreground: np.ndarray) -> Estimate:
    """A score of a stack, mean over its ok ``seeds`` (at least one), with its variances."""
    full, without, sizes, without_fold = Scores(name, counts, foreground).of(stack, seeds)
    return estimate(full, without, sizes.mean(axis=0), without_fold)
