"""The differences of a grid by one score, estimated in two passes.

First each difference by itself: the same images, the same seeds. Then the seed variances borrow strength from one
another (:mod:`benchmarks.analysis.moderation`), apart for differences of two trainings and for differences within one.
Differences of fewer seeds, because a cell failed or because a reference has more seeds than others, borrow from what
the other trainings show in these seeds.
"""
# S seeds, G image groups, T trainings

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.analysis.counts import Counts
from benchmarks.analysis.moderation import MoreSeeds, SeedVariance, between_trainings, within_trainings
from benchmarks.analysis.pairs import Pair
from benchmarks.analysis.resampling import Estimate, estimate, leave_one_fold_out, leave_one_group_out
from benchmarks.analysis.scores import SCORES
from benchmarks.record import BASELINE, cell_name

Training = tuple[str, ...]  # the weights of each of some seeds


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
    without_fold: np.ndarray


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


class Trainings:
    """Which stacks share their training.

    Args:
        stacks: Names of stacks.
        weights: For each ok cell, what its weights have in common with those of other cells: equal texts, equal
            weights. A cell that is not there has weights of its own.
        usable: The ok cells whose networks have learned something.
        seeds: All seeds of the grid.
    """

    def __init__(
        self, stacks: Iterable[str], weights: Mapping[str, str], usable: Collection[str], seeds: Sequence[int]
    ) -> None:
        # The first stack of a training stands for it: the one with the fewest techniques on top of it.
        self._stacks = sorted(dict.fromkeys(stacks), key=_n_techniques)
        self._weights, self._usable, self._seeds = weights, usable, seeds

    def of(self, stack: str, seeds: Iterable[int]) -> Training:
        """The training of a stack in some of its ok seeds."""
        cells = [cell_name(stack, seed) for seed in seeds]
        return tuple(self._weights.get(cell, cell) for cell in cells)

    def seeds_of(self, stack: str) -> list[int]:
        """The seeds in which a stack has learned something."""
        return [seed for seed in self._seeds if cell_name(stack, seed) in self._usable]

    def shared(self, pair: Pair) -> bool:
        """Whether a stack and its reference have one training."""
        return self.of(pair.stack, pair.seeds) == self.of(pair.reference, pair.seeds)

    def arms(self, seeds: Sequence[int]) -> dict[Training, str]:
        """The distinct trainings that have all of these seeds, each with the stack that stands for it."""
        arms: dict[Training, str] = {}
        for stack in self._stacks:
            if all(cell_name(stack, seed) in self._usable for seed in seeds):
                arms.setdefault(self.of(stack, seeds), stack)
        return arms


def estimate_differences(pairs: Sequence[Pair], scores: Scores, trainings: Trainings) -> list[Estimate | None]:
    """The difference of each pair, with moderated seed variances; None where a score is undefined.

    Args:
        pairs: Distinct pairs with at least one shared seed each. Those that have not learned neither borrow nor lend.
        scores: The score.
        trainings: The trainings of their stacks.
    """
    own = [scores.difference(pair.stack, pair.reference, pair.seeds) for pair in pairs]
    result: list[Estimate | None] = [None if np.isnan(est.value) else est for est in own]
    lending = [
        index
        for index, est in enumerate(result)
        if est is not None and est.seeds_covered and not pairs[index].not_learned
    ]
    for seeds in dict.fromkeys(pairs[index].seeds for index in lending):
        alike = [index for index in lending if pairs[index].seeds == seeds]
        _lend_between(seeds, alike, pairs, scores, trainings, result)
        longer = [index for index in lending if set(seeds) <= set(pairs[index].seeds)]
        _lend_within(seeds, longer, pairs, scores, trainings, result)
    return result


def _lend_between(
    seeds: Sequence[int],
    indices: Sequence[int],
    pairs: Sequence[Pair],
    scores: Scores,
    trainings: Trainings,
    result: list[Estimate | None],
) -> None:
    """Moderate the differences of two trainings among those at ``indices``, which all have these seeds."""
    standing = trainings.arms(seeds)
    arms = {training: scores.of(stack, seeds).full for training, stack in standing.items()}
    arms = {training: full for training, full in arms.items() if np.isfinite(full).all()}
    sides = {
        index: (trainings.of(pairs[index].stack, seeds), trainings.of(pairs[index].reference, seeds))
        for index in indices
    }
    sides = {index: side for index, side in sides.items() if side[0] != side[1] and set(side) <= arms.keys()}
    if not sides:
        return
    # Trainings of equal scores are one training in two forms, such as one with recomputed activations.
    levels, place = np.unique(list(arms.values()), axis=0, return_inverse=True)
    row = dict(zip(arms, place.reshape(-1)))
    stacks, references = np.array([[row[training] for training in side] for side in sides.values()]).T
    variances = _deltas(seeds, sides, pairs, scores).var(axis=-1, ddof=1)
    stands_for = {int(row[training]): standing[training] for training in arms}
    more = _more_seeds(stands_for, len(seeds), scores, trainings)
    moderated = between_trainings(levels, stacks, references, variances, more)
    for index, variance in zip(sides, moderated.variance):
        result[index] = _lent(result[index], variance, moderated, len(levels))


def _more_seeds(stacks: Mapping[int, str], n_seeds: int, scores: Scores, trainings: Trainings) -> MoreSeeds:
    """What each training, the T rows of ``stacks``, shows in all of its seeds."""
    variance, freedom = np.zeros(len(stacks)), np.zeros(len(stacks))
    for row, stack in stacks.items():
        full = scores.of(stack, trainings.seeds_of(stack)).full
        if len(full) > n_seeds and np.isfinite(full).all():
            variance[row], freedom[row] = full.var(ddof=1), len(full) - 1
    return MoreSeeds(variance, freedom)


def _lend_within(
    seeds: Sequence[int],
    indices: Sequence[int],
    pairs: Sequence[Pair],
    scores: Scores,
    trainings: Trainings,
    result: list[Estimate | None],
) -> None:
    """Moderate the differences within one training among those at ``indices``, which all have at least these seeds."""
    sharing = [index for index in indices if trainings.shared(pairs[index])]
    if not sharing:
        return
    deltas = _deltas(seeds, sharing, pairs, scores)
    moderated = within_trainings(deltas.mean(axis=-1), deltas.var(axis=-1, ddof=1), len(seeds))
    for index, variance in zip(sharing, moderated.variance):
        if pairs[index].seeds == tuple(seeds):
            result[index] = _lent(result[index], variance, moderated, len(sharing), one_training=True)


def _lent(
    est: Estimate | None, variance: np.ndarray, moderated: SeedVariance, lenders: int, *, one_training: bool = False
) -> Estimate | None:
    """An estimate with a moderated seed variance; its own where none was borrowed."""
    if est is None or not moderated.borrowed:
        return est and est._replace(one_training=one_training)
    prior = float(moderated.degrees_of_freedom[0]) - (est.n_seeds - 1)
    return est._replace(variance_seeds=variance, prior_freedom=prior, lenders=lenders, one_training=one_training)


def _deltas(seeds: Sequence[int], indices: Iterable[int], pairs: Sequence[Pair], scores: Scores) -> np.ndarray:
    """The difference of each pair at ``indices`` for each seed, (M, S)."""
    return np.array(
        [scores.of(pairs[i].stack, seeds).full - scores.of(pairs[i].reference, seeds).full for i in indices]
    )


def _n_techniques(stack: str) -> int:
    return 0 if stack == BASELINE else stack.count('+') + 1
