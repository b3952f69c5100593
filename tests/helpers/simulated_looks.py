"""Simulated grids that are run until decided, by the code that judges real ones.

``python tests/helpers/simulated_looks.py 2000`` prints the table of tests/benchmarks/analysis/test_looks.py.
"""
# R grids, T trainings (the first is the reference), S seeds, G groups

import sys
from typing import NamedTuple

import numpy as np
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING, Grids, World, draw, first_seeds, without_reference
from simulated_verdicts import judge

from benchmarks.analysis.cell_scores import SeedScores
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.looks import Looks, compare_by_score, pairs_to_follow
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.resampling import Estimate, estimate
from benchmarks.analysis.spending import nominal_levels
from benchmarks.record import cell_name

PLANNED = tuple(range(2, 11))
ALPHA = 0.05


def names(trainings: int) -> list[str]:
    """The names of the trainings: the reference, and its rows."""
    return ['baseline', *(f'row{n}' for n in range(1, trainings))]


class SimulatedScores:
    """A score of the cells of a simulated grid; stands for ``benchmarks.analysis.differences.Scores``.

    Args:
        cells: (T, S, G), the score of each training, seed and group of images.
    """

    def __init__(self, cells: np.ndarray) -> None:
        self.cells = cells
        self.place = {name: n for n, name in enumerate(names(len(cells)))}

    def of(self, stack, seeds) -> SeedScores:
        """The scores of a stack for some seeds."""
        cells = self.cells[self.place[stack], list(seeds)]
        n_groups = cells.shape[1]
        without = (cells.sum(axis=1, keepdims=True) - cells) / (n_groups - 1)
        return SeedScores(cells.mean(axis=1), without, np.ones(cells.shape))

    def difference(self, stack, reference, seeds) -> Estimate:
        """Stack minus reference, with the variances of these seeds alone."""
        ours, theirs = self.of(stack, seeds), self.of(reference, seeds)
        return estimate(ours.full - theirs.full, ours.without - theirs.without, ours.sizes[0])


def different_counts(trainings: int, seeds: int, groups: int) -> Counts:
    """Counts of cells that all differ, so that each pair is tested; scores are not made of them."""
    names_of_cells = [cell_name(name, seed) for name in names(trainings) for seed in range(seeds)]
    nothing = np.zeros((1, 1))
    cells = {
        name: CellCounts(np.full((1, 1, 3), n), np.zeros((1, 1, 3), int), np.zeros((1, 1, 2), int), nothing, nothing)
        for n, name in enumerate(names_of_cells)
    }
    return Counts(cells, ['image'], np.zeros(1, int))


class Spent(NamedTuple):
    """How a grid that was run until decided has ended.

    Args:
        rows: The result of each comparison.
        trainings: How many trainings it took.
        looks: How many looks were taken.
    """

    rows: list[dict]
    trainings: int
    looks: int


def until_decided(cells: np.ndarray, margin: float, planned=PLANNED) -> Spent:
    """Run a grid look after look, as ``--until-decided`` does; all rows are compared with the first training.

    Args:
        cells: (T, S, G), with as many seeds as the last look.
        margin: Equivalence margin.
        planned: The numbers of seeds at which is looked.
    """
    stacks = names(len(cells))
    comparisons = [dict(design='each_alone', stack=stack, reference=stacks[0]) for stack in stacks[1:]]
    primary = {frozenset((stack, stacks[0])) for stack in stacks[1:]}
    scores, counts = SimulatedScores(cells), different_counts(*cells.shape)
    seeds = dict.fromkeys(stacks, planned[0])
    taken: list[dict[str, int]] = []
    while True:
        taken.append(dict(seeds))
        looks = Looks(planned, frozenset(stacks), tuple(taken))
        judged = compare_by_score(comparisons, scores, counts, Facts(), looks, margin, primary)
        rows = [one | dict(design='each_alone') for one in judged.values()]
        following = {stack for pair in pairs_to_follow(rows) for stack in pair}
        if not following or len(taken) == len(planned):
            return Spent(rows, sum(seeds.values()), len(taken))
        seeds |= dict.fromkeys(following, planned[len(taken)])


class Rates(NamedTuple):
    """Rates over grids without any true difference, in percent.

    Args:
        family: Grids with a false call or more at any look.
        coverage: Differences whose intervals of all looks hold the truth.
    """

    family: float
    coverage: float


def rates(world: World, seed: int, repetitions: int, rows: int, groups: int, *, shared: bool) -> Rates:
    """Rates over all looks at which no comparison is settled: a false call is the first thing that could be."""
    grids: Grids = draw(world, np.random.default_rng(seed), repetitions, rows + 1, PLANNED[-1], groups)
    grids = without_reference(grids) if shared else grids
    called = outside = np.zeros((repetitions, rows), bool)
    levels = zip(PLANNED, nominal_levels(ALPHA / rows, PLANNED), nominal_levels(ALPHA, PLANNED))
    for number, of_family, of_one in levels:
        judged = judge(first_seeds(grids, number), one_training=shared)
        called, outside = called | judged.outside(of_family), outside | judged.outside(of_one)
    return Rates(100 * float(called.any(axis=1).mean()), 100 * float(1 - outside.mean()))


def print_rates(repetitions: int) -> None:
    """One line for each world, of 5 and of 20 rows."""
    for shared, worlds in ((False, DIFFERENT_TRAININGS), (True, SHARED_TRAINING)):
        for rows in (5, 20):
            for name, world in worlds.items():
                found = rates(world, 21, repetitions, rows, 8, shared=shared)
                print(f'{"one" if shared else "two"} {rows:3} {name:22} {found.family:5.1f} {found.coverage:5.1f}')


if __name__ == '__main__':
    print_rates(int(sys.argv[1]))
