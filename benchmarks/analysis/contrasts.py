"""Weighted sums of the scores of several stacks, with the intervals of a plain difference.

A main effect, an interaction and a Shapley value are all sums ``sum_c w_c score_c`` over stacks c. Such a sum is taken
per seed and with each group of images left out, and then estimated as a difference of two stacks is
(:mod:`benchmarks.analysis.resampling`). Only seeds in which all these stacks are ok enter: the sum stays paired. Its
seed variance borrows from the grid as that of a difference does (:mod:`benchmarks.analysis.lenders`), so that a plain
difference has the numbers of the comparison table.
"""
# S seeds, G image groups, N images, M addends per image

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.lenders import Lenders, Lending
from benchmarks.analysis.resampling import Estimate, estimate, leave_one_fold_out, leave_one_group_out
from benchmarks.record import cell_name

Weights = Mapping[str, float]  # by stack


class Additive(Protocol):
    """A score in additive form, such as those of :mod:`benchmarks.analysis.scores`."""

    @property
    def addends(self) -> Callable[[CellCounts, np.ndarray], np.ndarray]:
        """``(counts, foreground (F,)) -> (N, M)``."""

    @property
    def finish(self) -> Callable[[np.ndarray], np.ndarray]:
        """``(..., M) -> (...)``, the score of summed addends."""

    @property
    def weights(self) -> Callable[[np.ndarray], np.ndarray]:
        """``(N, M) -> (N,)``, how much each image counts: 0 where the score has nothing to measure in it."""


class CellScore(NamedTuple):
    """A score of one cell.

    Attributes:
        full: (), over all images.
        without: (G,), without each image group.
        sizes: (G,), how many images of each group have a score.
        without_fold: (F,), without the images of each fold; F = 0 without folds.
    """

    full: np.ndarray
    without: np.ndarray
    sizes: np.ndarray
    without_fold: np.ndarray = np.zeros(0)


class Contrasts:
    """One score of the cells of a grid, each computed once, and weighted sums of it.

    Args:
        score: The score.
        counts: Counts of the ok cells.
        seeds: The seeds of the grid; a cell without counts is not ok.
        foreground: Indices of the foreground classes, (F,).
        lending: Who lends seed variance; None where each sum keeps its own.
    """

    def __init__(
        self,
        score: Additive,
        counts: Counts,
        seeds: Sequence[int],
        foreground: np.ndarray,
        lending: Lending | None = None,
    ) -> None:
        self._score, self._counts, self._seeds, self._foreground = score, counts, seeds, foreground
        self._cells: dict[str, CellScore] = {}
        self._lenders = None if lending is None else Lenders(self._levels, lending)

    def shared_seeds(self, stacks: Iterable[str]) -> list[int]:
        """The seeds in which all stacks are ok."""
        stacks = list(stacks)
        return [seed for seed in self._seeds if all(cell_name(stack, seed) in self._counts.cells for stack in stacks)]

    def of_cell(self, stack: str, seed: int) -> CellScore:
        """The score of an ok cell."""
        cell = cell_name(stack, seed)
        if cell not in self._cells:
            addends = self._score.addends(self._counts.cells[cell], self._foreground)
            full, without = leave_one_group_out(addends, self._counts.groups, self._score.finish)
            sizes = np.bincount(self._counts.groups, self._score.weights(addends), self._counts.n_groups)
            without_fold = leave_one_fold_out(addends, self._counts.folds, self._score.finish)
            self._cells[cell] = CellScore(full, without, sizes, without_fold)
        return self._cells[cell]

    def by_seed(self, weights: Weights) -> np.ndarray:
        """The weighted sum in each shared seed, (S,)."""
        seeds = self.shared_seeds(weights)
        return np.array([sum(w * self.of_cell(stack, seed).full for stack, w in weights.items()) for seed in seeds])

    def estimate(self, weights: Weights) -> Estimate | None:
        """The weighted sum of the stacks' scores, with its variances; None without a shared seed or a defined score."""
        seeds = self.shared_seeds(weights)
        if not seeds:
            return None
        parts = [(weight, [self.of_cell(stack, seed) for seed in seeds]) for stack, weight in weights.items()]
        sizes = np.mean([part.sizes for _, column in parts for part in column], axis=0)
        counts = sizes > 0
        if not counts.any():
            return None
        without = sum(weight * np.array([part.without[counts] for part in column]) for weight, column in parts)
        of_folds = sum(weight * np.array([part.without_fold for part in column]) for weight, column in parts)
        est = estimate(self.by_seed(weights), np.asarray(without), sizes[counts], np.asarray(of_folds))
        if np.isnan(est.value):
            return None
        return est if self._lenders is None else self._lenders.lend(est, weights, seeds)

    def _levels(self, stack: str, seeds: Sequence[int]) -> np.ndarray:
        return np.array([self.of_cell(stack, seed).full for seed in seeds])
