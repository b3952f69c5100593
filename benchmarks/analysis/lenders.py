"""What the trainings and differences of a grid lend to any weighted sum of its stacks, by one score.

A difference, a main effect, an interaction and a Shapley value are sums ``sum_c w_c y_c`` over stacks c whose weights
sum to 0. Which prior their seed variance is drawn towards (:mod:`benchmarks.analysis.moderation`) follows from the net
weight of each training, the sum of the weights of its stacks:

======================================  ===============================================================================
some net weight is not 0                ``sum_t w_t^2 var_t`` over the trainings t: the common seed effect cancels, and
                                        what is left of each training is independent of the others
all net weights are 0, and each         ``sum_t w_t^2 var(d_t)`` over the differences ``d_t`` within a training
training enters by one difference
all net weights are 0 otherwise         none: three stacks of one training vary together, nobody knows how, and the sum
                                        keeps its own variance
two trainings have the weights of some  none: these trainings vary together in part. A row whose training is tuned has
seeds in common, and not those of all   the weights of its plain row in the seeds in which it took the file's values. Of
                                        such trainings the first alone is a lender
======================================  ===============================================================================

For a plain difference this is what the verdicts rest on, so that a number has one interval wherever it stands. Where
seeds are spent until decided, a comparison borrows from what is there at its own look, and other sums from all that is
there at the last one; reports then take the interval of a comparison from its table
(:mod:`benchmarks.reports.pair_verdicts`). In sums of more than two stacks both parts of the variance add as Behrens and
Fisher have it: Satterthwaite's t calls up to 9 % by chance there, in a world of skewed image groups
(tests/benchmarks/analysis/test_lenders.py). Sums of fewer seeds, because a cell failed or because a reference has more
seeds than others, borrow from what the other trainings show in these seeds.
"""
# S seeds, T trainings

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from benchmarks.analysis.moderation import (
    DifferencePrior,
    MoreSeeds,
    TrainingPrior,
    drawn,
    prior_of_differences,
    prior_of_trainings,
)
from benchmarks.analysis.pairs import Pair
from benchmarks.analysis.resampling import Estimate
from benchmarks.record import BASELINE, cell_name

Training = tuple[str, ...]  # the weights of each of some seeds
Levels = Callable[[str, Sequence[int]], np.ndarray]  # (stack, seeds) to its score in each seed, (S,)
_ZERO = 1e-9


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
        self._known: dict[tuple, Any] = {}  # by question: each score of a grid asks them again

    def of(self, stack: str, seeds: Sequence[int]) -> Training:
        """The training of a stack in some of its ok seeds."""
        key = ('training', stack, *seeds)
        if key not in self._known:
            cells = [cell_name(stack, seed) for seed in seeds]
            self._known[key] = tuple(self._weights.get(cell, cell) for cell in cells)
        return self._known[key]

    def seeds_of(self, stack: str) -> list[int]:
        """The seeds in which a stack has learned something."""
        key = ('seeds', stack)
        if key not in self._known:
            self._known[key] = [seed for seed in self._seeds if cell_name(stack, seed) in self._usable]
        return self._known[key]

    def shared(self, pair: Pair) -> bool:
        """Whether a stack and its reference have one training."""
        return self.of(pair.stack, pair.seeds) == self.of(pair.reference, pair.seeds)

    def learned(self, stack: str, seeds: Sequence[int]) -> bool:
        """Whether a stack has learned something in all of these seeds."""
        key = ('learned', stack, *seeds)
        if key not in self._known:
            self._known[key] = all(cell_name(stack, seed) in self._usable for seed in seeds)
        return self._known[key]

    def arms(self, seeds: Sequence[int]) -> dict[Training, str]:
        """The distinct trainings that have all of these seeds, each with the stack that stands for it.

        No two of them have weights in common: a training that overlaps an earlier one in some seeds is left out.
        """
        key = ('arms', *seeds)
        if key not in self._known:
            self._known[key] = self._arms(seeds)
        return self._known[key]

    def _arms(self, seeds: Sequence[int]) -> dict[Training, str]:
        arms: dict[Training, str] = {}
        owner: dict[tuple[int, object], Training] = {}  # the arm that has these weights in this seed; there is one only
        for stack in self._stacks:
            if self.learned(stack, seeds):
                training = self.of(stack, seeds)
                of_seeds = list(enumerate(training))
                if all(owner.get(one, training) == training for one in of_seeds):
                    arms.setdefault(training, stack)
                    owner.update(dict.fromkeys(of_seeds, training))
        return arms


def overlap_in_part(one: Training, other: Training) -> bool:
    """Whether two trainings have the weights of some seeds in common, and not those of all."""
    return one != other and any(mine == its for mine, its in zip(one, other, strict=True))


class Lending(NamedTuple):
    """Who lends in a grid, whatever the score.

    Attributes:
        pairs: The differences of the grid that are measured; those that have not learned do not lend.
        trainings: The trainings of their stacks.
    """

    pairs: Sequence[Pair]
    trainings: Trainings


class _Arms(NamedTuple):
    """The trainings of some seeds: the row of each in the prior, the number of rows, and the prior."""

    row: dict[Training, int]
    number: int
    prior: TrainingPrior | None


class _Differences(NamedTuple):
    """The differences within one training of some seeds: how many there are, and their prior."""

    number: int
    prior: DifferencePrior | None


class Lenders:
    """The lenders of a grid by one score.

    Args:
        levels: The score of a stack in ok seeds; NaN where it is undefined.
        lending: Who lends.
    """

    def __init__(self, levels: Levels, lending: Lending) -> None:
        self._levels, self._trainings = levels, lending.trainings
        self._pairs = [pair for pair in lending.pairs if len(pair.seeds) > 1 and not pair.not_learned]
        self._arms: dict[tuple[int, ...], _Arms] = {}
        self._differences: dict[tuple[int, ...], _Differences] = {}

    def lend(self, est: Estimate | None, weights: Mapping[str, float], seeds: Sequence[int]) -> Estimate | None:
        """An estimate with a moderated seed variance; as it is where nothing is lent.

        Args:
            est: A weighted sum of stacks with the variance of its own seeds; None where it is undefined.
            weights: The weights by stack; they sum to 0.
            seeds: The seeds behind the estimate, all ok.
        """
        if est is None or not est.seeds_covered or np.isnan(est.value):
            return est
        weights = {stack: weight for stack, weight in weights.items() if abs(weight) > _ZERO}
        if not all(self._trainings.learned(stack, seeds) for stack in weights):
            return est
        of_training: dict[Training, dict[str, float]] = {}
        for stack, weight in weights.items():
            of_training.setdefault(self._trainings.of(stack, seeds), {})[stack] = weight
        net = {training: sum(stacks.values()) for training, stacks in of_training.items()}
        if len(weights) > 2:
            est = est._replace(behrens_fisher=True)
        if any(overlap_in_part(one, other) for one, other in combinations(of_training, 2)):
            return est
        if any(abs(weight) > _ZERO for weight in net.values()):
            return self._of_trainings(est, net, tuple(seeds))
        return self._of_differences(est, list(of_training.values()), tuple(seeds))

    def _of_trainings(self, est: Estimate, net: Mapping[Training, float], seeds: tuple[int, ...]) -> Estimate:
        if seeds not in self._arms:
            self._arms[seeds] = self._fit_arms(seeds)
        arms = self._arms[seeds]
        if arms.prior is None or not net.keys() <= arms.row.keys():
            return est
        squares: dict[int, float] = {}
        for training, weight in net.items():
            squares[arms.row[training]] = squares.get(arms.row[training], 0.0) + weight**2
        prior = arms.prior.among(list(squares)).of(np.array([list(squares.values())]))
        return _lent(est, prior, arms.prior.weight, arms.number)

    def _of_differences(self, est: Estimate, sums: Sequence[Mapping[str, float]], seeds: tuple[int, ...]) -> Estimate:
        est = est._replace(behrens_fisher=True)
        if seeds not in self._differences:
            self._differences[seeds] = self._fit_differences(seeds)
        number, prior = self._differences[seeds]
        if prior is None or any(len(stacks) != 2 for stacks in sums):
            return est
        squares = np.array([next(iter(stacks.values())) ** 2 for stacks in sums])
        deltas = np.array([np.subtract(*(self._levels(stack, seeds) for stack in stacks)).mean() for stacks in sums])
        return _lent(est, (squares * prior.of(deltas)).sum(keepdims=True), prior.weight, number)

    def _fit_arms(self, seeds: tuple[int, ...]) -> _Arms:
        standing = self._trainings.arms(seeds)
        arms = {training: self._levels(stack, seeds) for training, stack in standing.items()}
        arms = {training: full for training, full in arms.items() if np.isfinite(full).all()}
        if not arms:
            return _Arms({}, 0, None)
        # Trainings of equal scores are one training in two forms, such as one with recomputed activations.
        levels, place = np.unique(list(arms.values()), axis=0, return_inverse=True)
        row = {training: int(at) for training, at in zip(arms, place.reshape(-1))}
        stands_for = {row[training]: standing[training] for training in arms}
        return _Arms(row, len(levels), prior_of_trainings(levels, self._more_seeds(stands_for, len(seeds))))

    def _more_seeds(self, stacks: Mapping[int, str], n_seeds: int) -> MoreSeeds:
        """What each training, the T rows of ``stacks``, shows in all of its seeds."""
        variance, freedom = np.zeros(len(stacks)), np.zeros(len(stacks))
        for row, stack in stacks.items():
            seeds = self._trainings.seeds_of(stack)
            if len(seeds) > n_seeds and np.isfinite(full := self._levels(stack, seeds)).all():
                variance[row], freedom[row] = full.var(ddof=1), len(full) - 1
        return MoreSeeds(variance, freedom)

    def _fit_differences(self, seeds: tuple[int, ...]) -> _Differences:
        """The prior of the differences within one training among those that have at least these seeds."""
        sharing = [pair for pair in self._pairs if set(seeds) <= set(pair.seeds) and self._trainings.shared(pair)]
        deltas = np.array([self._levels(pair.stack, seeds) - self._levels(pair.reference, seeds) for pair in sharing])
        deltas = deltas.reshape(-1, len(seeds))
        deltas = deltas[np.isfinite(deltas).all(axis=1)]
        prior = prior_of_differences(deltas.mean(axis=1), deltas.var(axis=1, ddof=1), len(seeds))
        return _Differences(len(deltas), prior)


def _lent(est: Estimate, prior: np.ndarray, weight: np.ndarray, lenders: int) -> Estimate:
    """An estimate whose seed variance is drawn towards a prior, (1,)."""
    moderated = drawn(np.atleast_1d(est.variance_seeds * est.n_seeds), prior, weight, est.n_seeds)
    return est._replace(variance_seeds=moderated.variance[0], prior_freedom=float(weight[0]), lenders=lenders)


def _n_techniques(stack: str) -> int:
    return 0 if stack == BASELINE else stack.count('+') + 1
