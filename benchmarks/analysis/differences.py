"""The differences of a grid by one score, estimated in two passes.

First each difference by itself: the same images, the same seeds. Then the seed variances borrow strength from one
another (:mod:`benchmarks.analysis.lenders`), apart for differences of two trainings and for differences within one.
"""
# S seeds, G image groups

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import Counts
from benchmarks.analysis.lenders import Lenders, Lending, Trainings
from benchmarks.analysis.pairs import Pair
from benchmarks.analysis.resampling import Estimate, estimate, leave_one_fold_out, leave_one_group_out
from benchmarks.analysis.scores import SCORES
from benchmarks.record import cell_name


class SeedScores(NamedTuple):
    """A score of a stack for some seeds.

    Args:
        full: (S,), over all images.
        without: (S, G), without each image group.
        sizes: (S, G), how many images of each group have a score.
        without_fold: (S, F), without the images of each fold; F = 0 without folds.
    """

    full: np.ndarray
    without: np.ndarray
    sizes: np.ndarray
    without_fold: np.ndarray = np.zeros((0, 0))


def score_by_seed(name: str, counts: Counts, stack: str, seeds: Iterable[int], foreground: np.ndarray) -> SeedScores:
    """A score of a stack for each of its ok ``seeds``, at least one."""
    parts = []
    for seed in seeds:
        score = SCORES[name]
        addends = score.addends(counts.cells[cell_name(stack, seed)], foreground)
        sizes = np.bincount(counts.groups, score.weights(addends), counts.n_groups)
        without_fold = leave_one_fold_out(addends, counts.folds, score.finish)
        parts.append((*leave_one_group_out(addends, counts.groups, score.finish), sizes, without_fold))
    return SeedScores(*(np.array(column) for column in zip(*parts)))


class Scores:
    """One score of all cells, each computed once.

    Args:
        name: A key of ``SCORES``.
        counts: Counts of the ok cells.
        foreground: Indices of the foreground classes, (F,).
    """

    def __init__(self, name: str, counts: Counts, foreground: np.ndarray) -> None:
        self._name, self._counts, self._foreground = name, counts, foreground
        self._cells: dict[tuple[str, int], SeedScores] = {}

    def of(self, stack: str, seeds: Iterable[int]) -> SeedScores:
        """The scores of a stack for ok seeds, at least one."""
        parts = [self._of_cell(stack, seed) for seed in seeds]
        return SeedScores(*(np.concatenate(column) for column in zip(*parts)))

    def difference(self, stack: str, reference: str, seeds: Sequence[int]) -> Estimate:
        """Stack minus reference on the same images and the same ok seeds, with the variances of these seeds alone."""
        ours, theirs = self.of(stack, seeds), self.of(reference, seeds)
        sizes = (ours.sizes + theirs.sizes).mean(axis=0)
        of_folds = ours.without_fold - theirs.without_fold
        return estimate(ours.full - theirs.full, ours.without - theirs.without, sizes, of_folds)

    def _of_cell(self, stack: str, seed: int) -> SeedScores:
        if (stack, seed) not in self._cells:
            self._cells[stack, seed] = score_by_seed(self._name, self._counts, stack, [seed], self._foreground)
        return self._cells[stack, seed]


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
