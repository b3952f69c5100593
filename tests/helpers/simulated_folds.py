"""Simulated grids with folds: each group of images is tested in one fold, by networks that trained on all others.

A training is a stack × seed × fold. The seed effect of a world of ``simulated_grids`` is drawn for each, so folds of a
seed differ by it; what all trainings share is drawn for each seed and fold. Beyond that, what a stack learns depends on
its training set: by an effect of each fold, and by what each group teaches all folds that train on it.

``python tests/helpers/simulated_folds.py 400`` prints the table of tests/benchmarks/analysis/test_folds.py.
"""
# R repetitions of a grid, T trainings (the first is the reference), M = T - 1 comparisons, S seeds, F folds, G groups

import sys
from typing import NamedTuple

import numpy as np
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING, World, draw
from simulated_looks import SimulatedScores
from simulated_verdicts import LEVEL, Rates

from benchmarks.analysis.cell_scores import SeedScores
from benchmarks.analysis.differences import Scores
from benchmarks.analysis.moderation import between_trainings, within_trainings
from benchmarks.analysis.resampling import Estimate, estimate, half_width


class Design(NamedTuple):
    """The size of a grid with folds."""

    seeds: int
    folds: int
    groups: int
    rows: int = 6

    @property
    def fold_of_group(self) -> np.ndarray:
        """The fold in which each group is tested, (G,)."""
        return np.arange(self.groups) % self.folds


class TrainingSets(NamedTuple):
    """How far the choice of training sets moves a stack's score, in points.

    Attributes:
        fold: Standard deviation of the effect of each fold's training set.
        group: Standard deviation of what each group adds to all folds that train on it; their mean counts.
    """

    fold: float = 0.0
    group: float = 0.0


TRAINING_SETS = dict(nothing=TrainingSets(), folds_differ=TrainingSets(0.25), groups_teach=TrainingSets(0.1, 0.3))


class FoldedGrids(NamedTuple):
    """Scores of R grids.

    Args:
        cells: (R, T, S, G), the score of each training, seed and group, in the group's fold.
        sizes: (R, G), images per group.
        design: Their size.
    """

    cells: np.ndarray
    sizes: np.ndarray
    design: Design

    @property
    def without_reference(self) -> 'FoldedGrids':
        """The same as differences to a reference that shares the trainings."""
        cells = self.cells.copy()
        cells[:, 0] = 0.0
        return self._replace(cells=cells)


def draw_folds(
    world: World, sets: TrainingSets, rng: np.random.Generator, repetitions: int, design: Design, effects=None
) -> FoldedGrids:
    """Draw grids of a world; ``effects`` (T,) are planted differences to the reference."""
    trainings, n_folds, place = design.rows + 1, design.folds, design.fold_of_group
    grids = draw(world, rng, repetitions, trainings, design.seeds * n_folds, design.groups, effects)
    cells = grids.cells.reshape(repetitions, trainings, design.seeds, n_folds, design.groups)
    cells = cells[:, :, :, place, np.arange(design.groups)]
    taught = sets.group * rng.normal(size=(repetitions, trainings, design.groups))
    learned = np.stack([taught[..., place != fold].mean(axis=-1) for fold in range(n_folds)], axis=-1)
    learned = learned + sets.fold * rng.normal(size=learned.shape)
    return FoldedGrids(cells + learned[:, :, None, place], grids.sizes, design)


def judge_folds(grids: FoldedGrids, *, one_training: bool) -> tuple[Estimate, Estimate]:
    """The differences to the first training, (R, M): each by itself, and as the harness judges them."""
    sizes, design = grids.sizes[:, None, None], grids.design
    member = np.eye(design.folds)[design.fold_of_group]  # (G, F)
    deltas = grids.cells[:, 1:] - grids.cells[:, :1]
    weighted, total = sizes * deltas, sizes.sum(axis=-1, keepdims=True)
    sums = weighted.sum(axis=-1, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        without, without_fold = (
            (sums - weighted) / (total - sizes),
            (sums - weighted @ member) / (total - sizes @ member),
        )
    full = (sums / total)[..., 0]
    own = estimate(full, without, np.broadcast_to(sizes[..., 0, :], without[..., 0, :].shape), without_fold)
    variances, (n_rows, n_seeds) = full.var(axis=-1, ddof=1), full.shape[1:]
    if one_training:
        lent = within_trainings(own.value, variances, n_seeds)
    else:
        by_seed = (sizes * grids.cells).sum(axis=-1) / total[..., 0]
        lent = between_trainings(by_seed, np.arange(1, n_rows + 1), np.zeros(n_rows, int), variances)
    more = lent.degrees_of_freedom - (n_seeds - 1)
    return own, own._replace(variance_seeds=lent.variance, prior_freedom=more)


class FoldedScores(SimulatedScores):
    """A score of the cells of one simulated grid with folds; stands for ``benchmarks.analysis.differences.Scores``.

    Args:
        cells: (T, S, G).
        design: The size of the grid.
    """

    difference = Scores.difference

    def __init__(self, cells: np.ndarray, design: Design) -> None:
        super().__init__(cells)
        self.member = np.eye(design.folds)[design.fold_of_group]

    def of(self, stack, seeds) -> SeedScores:
        """The scores of a stack for some seeds."""
        cells = self.cells[self.place[stack], list(seeds)]
        left = cells.shape[1] - self.member.sum(axis=0)
        without_fold = (cells.sum(axis=1, keepdims=True) - cells @ self.member) / left
        return super().of(stack, seeds)._replace(without_fold=without_fold)


def rates(
    world: World, sets: TrainingSets, seed: int, repetitions: int, design: Design, *, shared: bool
) -> dict[str, Rates]:
    """Rates over grids without any true difference: of each difference by itself, of the harness, and without folds."""
    grids = draw_folds(world, sets, np.random.default_rng(seed), repetitions, design)
    own, moderated = judge_folds(grids.without_reference if shared else grids, one_training=shared)
    found = {}
    for name, est in (('own', own), ('moderated', moderated), ('naive', own._replace(variance_folds=0.0, n_folds=1))):
        distance = np.abs(est.value)
        family = (distance > half_width(est, LEVEL / design.rows)).any(axis=1).mean()
        found[name] = Rates(100 * float(family), 100 * float((distance <= half_width(est, LEVEL)).mean()))
    return found


def print_rates(repetitions: int) -> None:
    """The rates of all worlds in some designs."""
    for design in (Design(2, 5, 20), Design(3, 5, 20), Design(3, 5, 60), Design(3, 10, 20), Design(3, 5, 20, rows=20)):
        for shared, worlds in ((False, DIFFERENT_TRAININGS), (True, SHARED_TRAINING)):
            for name, world in worlds.items():
                for kind, sets in TRAINING_SETS.items():
                    found = rates(world, sets, 41, repetitions, design, shared=shared)
                    shown = '  '.join(f'{key} {of.family:5.1f} {of.coverage:5.1f}' for key, of in found.items())
                    print(f'{"one" if shared else "two"} {design} {name:22s} {kind:13s} {shown}', flush=True)


if __name__ == '__main__':
    print_rates(int(sys.argv[1]))
