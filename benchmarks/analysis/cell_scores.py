"""One score of all cells of a grid: over all images, without each group of them, and without each fold.

A report asks for the same scores in many tables. Each is computed once for all cells, in whole arrays, and kept with
the counts (:meth:`benchmarks.analysis.counts.Counts.once`).
"""
# S cells, which are seeds of a stack; N images, G image groups, F folds, M addends per image

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.resampling import leave_one_fold_out, leave_one_group_out, sums_by_group
from benchmarks.record import cell_name

AT_ONCE = 2**18  # pairs of image and class of the cells that are computed together: memory stays bounded


class Additive(Protocol):
    """A score in additive form, such as those of :mod:`benchmarks.analysis.scores`."""

    @property
    def addends(self) -> Callable[[CellCounts, np.ndarray], np.ndarray]:
        """``(counts, foreground) -> (S, N, M)``."""

    @property
    def finish(self) -> Callable[[np.ndarray], np.ndarray]:
        """``(..., M) -> (...)``, the score of summed addends."""

    @property
    def weights(self) -> Callable[[np.ndarray], np.ndarray]:
        """``(S, N, M) -> (S, N)``, how much each image counts: 0 where the score has nothing to measure in it."""


class SeedScores(NamedTuple):
    """A score of a stack for some seeds, or of any cells.

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


Rule = Callable[[Additive, CellCounts, Counts, np.ndarray], SeedScores]


def by_sums(score: Additive, cells: CellCounts, counts: Counts, foreground: np.ndarray) -> SeedScores:
    """The score of some cells from sums over their images.

    Args:
        score: The score.
        cells: The counts of S cells, each array with their axis before that of the images.
        counts: Says to which group and fold each image belongs.
        foreground: Indices of the foreground classes.
    """
    addends = score.addends(cells, foreground)
    full, without = leave_one_group_out(addends, counts.groups, score.finish)
    sizes = sums_by_group(np.asarray(score.weights(addends), float)[..., None], counts.groups)[..., 0]
    return SeedScores(full, without, sizes, leave_one_fold_out(addends, counts.folds, score.finish))


class CellScores:
    """One score of all cells, by stack and seed.

    Args:
        score: The score.
        counts: Counts of the ok cells.
        foreground: Indices of the foreground classes.
        rule: How the score of some cells is computed.
    """

    def __init__(self, score: Additive, counts: Counts, foreground: np.ndarray, rule: Rule) -> None:
        self._score, self._counts, self._foreground, self._rule = score, counts, foreground, rule

    def of(self, stack: str, seeds: Sequence[int]) -> SeedScores:
        """The scores of a stack for ok seeds, at least one."""
        rows = [self._row[cell_name(stack, seed)] for seed in seeds]
        return SeedScores(*(column[rows] for column in self._of_all))

    def levels(self, stack: str, seeds: Sequence[int]) -> np.ndarray:
        """The scores over all images alone, (S,)."""
        return self._of_all.full[[self._row[cell_name(stack, seed)] for seed in seeds]]

    @cached_property
    def _row(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._counts.cells)}

    @cached_property
    def _of_all(self) -> SeedScores:
        parts = [self._rule(self._score, cells, self._counts, self._foreground) for cells in together(self._counts)]
        of_all = SeedScores(*(np.concatenate(column) for column in zip(*parts)))
        if not (of_all.sizes == of_all.sizes[:1]).all():
            return of_all
        # Most often each cell has a score in the same images; one row in memory is then enough.
        return of_all._replace(sizes=np.broadcast_to(of_all.sizes[0].copy(), of_all.sizes.shape))


def scores_of(score: Additive, counts: Counts, foreground: np.ndarray, rule: Rule = by_sums) -> CellScores:
    """One score of all cells; asked for again, also under another name, the same object."""
    key = (rule, score.addends, score.finish, score.weights, *foreground.tolist())
    return counts.once(key, lambda: CellScores(score, counts, foreground, rule))


def together(counts: Counts) -> Iterator[CellCounts]:
    """The counts of all cells in their order, some at a time: each array has an axis of cells before its own."""
    cells = list(counts.cells.values())
    number = max(AT_ONCE // max(cells[0].hd95_px.size, 1), 1) if cells else 1
    for first in range(0, len(cells), number):
        yield CellCounts(*(np.stack(part) for part in zip(*cells[first : first + number])))
