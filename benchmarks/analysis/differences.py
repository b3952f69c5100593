"""The differences of a grid by one score, estimated in two passes.

First each difference by itself: the same images, the same seeds. Then the seed variances borrow strength from one
another (:mod:`benchmarks.analysis.lenders`), apart for differences of two trainings and for differences within one.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.cell_scores import SeedScores, scores_of
from benchmarks.analysis.counts import Counts
from benchmarks.analysis.lenders import Lenders, Lending, Trainings
from benchmarks.analysis.pairs import Pair
from benchmarks.analysis.resampling import Estimate, estimate
from benchmarks.analysis.scores import SCORES


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
