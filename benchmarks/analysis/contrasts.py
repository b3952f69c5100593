"""Weighted sums of the scores of several stacks, with the intervals of a plain difference.

A main effect, an interaction and a Shapley value are all sums ``sum_c w_c score_c`` over stacks c. Such a sum is taken
per seed and with each group of images left out, and then estimated as a difference of two stacks is
(:mod:`benchmarks.analysis.resampling`). Only seeds in which all these stacks are ok enter: the sum stays paired. Its
seed variance borrows from the grid as that of a difference does (:mod:`benchmarks.analysis.lenders`), so that a plain
difference has the numbers of the comparison table. Where stacks with the same counts cancel, the sum is exactly 0, and
borrows nothing.
"""
# S seeds, G image groups

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.analysis.cell_scores import Additive, Rule, SeedScores, by_sums, scores_of
from benchmarks.analysis.counts import Counts, same_counts
from benchmarks.analysis.lenders import Lenders, Lending
from benchmarks.analysis.resampling import Estimate, estimate
from benchmarks.record import cell_name

Weights = Mapping[str, float]  # by stack
_ZERO = 1e-9


class Contrasts:
    """Weighted sums of one score of the cells of a grid.

    Args:
        score: The score.
        counts: Counts of the ok cells.
        seeds: The seeds of the grid; a cell without counts is not ok.
        foreground: Indices of the foreground classes, (F,).
        lending: Who lends seed variance; None where each sum keeps its own.
        rule: How the score of some cells is computed.
    """

    def __init__(
        self,
        score: Additive,
        counts: Counts,
        seeds: Sequence[int],
        foreground: np.ndarray,
        lending: Lending | None = None,
        rule: Rule = by_sums,
    ) -> None:
        self._counts, self._seeds = counts, seeds
        self._scores = scores_of(score, counts, foreground, rule)
        self._ok: dict[str, frozenset[int]] = {}
        self._lenders = None if lending is None else Lenders(self._scores.levels, lending)

    def shared_seeds(self, stacks: Iterable[str]) -> list[int]:
        """The seeds in which all stacks are ok."""
        ok = [self._ok_seeds(stack) for stack in stacks]
        return [seed for seed in self._seeds if all(seed in seeds for seeds in ok)]

    def of(self, stack: str, seeds: Sequence[int]) -> SeedScores:
        """The scores of a stack for ok seeds, at least one."""
        return self._scores.of(stack, seeds)

    def by_seed(self, weights: Weights) -> np.ndarray:
        """The weighted sum in each shared seed, (S,)."""
        seeds = self.shared_seeds(weights)
        if not seeds:
            return np.zeros(0)
        return np.asarray(sum(weight * self._scores.levels(stack, seeds) for stack, weight in weights.items()))

    def estimate(self, weights: Weights) -> Estimate | None:
        """The weighted sum of the stacks' scores, with its variances; None without a shared seed or a defined score."""
        seeds = self.shared_seeds(weights)
        if not seeds:
            return None
        parts = [(weight, self._scores.of(stack, seeds)) for stack, weight in weights.items()]
        sizes = np.concatenate([part.sizes for _, part in parts]).mean(axis=0)
        counts = sizes > 0
        if not counts.any():
            return None
        full = sum(weight * part.full for weight, part in parts)
        without = sum(weight * part.without[:, counts] for weight, part in parts)
        of_folds = sum(weight * part.without_fold for weight, part in parts)
        est = estimate(np.asarray(full), np.asarray(without), sizes[counts], np.asarray(of_folds))
        if np.isnan(est.value):
            return None
        if est.variance_seeds < _ZERO and abs(est.value) < _ZERO and self._cancel(weights, seeds):
            nothing = np.zeros_like(est.value)
            return est._replace(value=nothing, variance_groups=nothing, variance_seeds=nothing, variance_folds=nothing)
        return est if self._lenders is None else self._lenders.lend(est, weights, seeds)

    def _cancel(self, weights: Weights, seeds: Sequence[int]) -> bool:
        """Whether the weights of stacks whose counts are equal in all of these seeds sum to 0."""
        net: dict[str, float] = {}
        for stack, weight in weights.items():
            first = next((other for other in net if self._alike(stack, other, seeds)), stack)
            net[first] = net.get(first, 0.0) + weight
        return all(abs(weight) < _ZERO for weight in net.values())

    def _alike(self, stack: str, other: str, seeds: Sequence[int]) -> bool:
        cells = self._counts.cells
        return all(same_counts(cells[cell_name(stack, seed)], cells[cell_name(other, seed)]) for seed in seeds)

    def _ok_seeds(self, stack: str) -> frozenset[int]:
        if stack not in self._ok:
            cells = self._counts.cells
            self._ok[stack] = frozenset(seed for seed in self._seeds if cell_name(stack, seed) in cells)
        return self._ok[stack]
