"""Cells whose network has learned nothing, by what it predicts or by the loss of its training.

* It gives every pixel of every test image the same class although the truth has more. This holds for any loss. A cell
  whose weights give more than one class in another cell has learned: there a refinement, a view or a condition has
  removed the other classes, which is a result.
* The loss of its training never fell below that of the best constant prediction
  (:mod:`benchmarks.analysis.best_constant`). Records without this fact say nothing about it.
"""

from collections.abc import Mapping

from benchmarks.analysis.best_constant import falls_below
from benchmarks.analysis.counts import CellCounts, Counts

ONE_CLASS, LOSS = 'one class', 'loss'
CHANCE = 0.025  # one side of the level of 5 % that all intervals and verdicts have


def one_class_everywhere(cell: CellCounts) -> bool:
    """Whether a cell predicts one class in all pixels of all images although the truth has more."""
    tp, fp, fn = cell.area.sum(axis=0).T
    return int((tp + fp > 0).sum()) == 1 and int((tp + fn > 0).sum()) > 1


def not_learned(
    counts: Counts, weights: Mapping[str, str], losses: Mapping[str, Mapping | None] | None = None
) -> dict[str, list[str]]:
    """The cells whose network has learned nothing, each with the signs of it: :data:`ONE_CLASS`, :data:`LOSS`.

    Args:
        counts: Counts of the ok cells.
        weights: For each ok cell, what its weights have in common with those of other cells: equal texts, equal
            weights.
        losses: For each ok cell, the recorded loss of its training beside that of the best constant prediction; None
            where it is not known.
    """
    degenerate = {name for name, cell in counts.cells.items() if one_class_everywhere(cell)}
    learned = {weights[name] for name in counts.cells.keys() - degenerate}
    signs: dict[str, list[str]] = {}
    for name in counts.cells:
        fact = (losses or {}).get(name)
        if name in degenerate and weights[name] not in learned:
            signs.setdefault(name, []).append(ONE_CLASS)
        if fact is not None and not falls_below(fact['loss'], fact['constant']):
            signs.setdefault(name, []).append(LOSS)
    return signs


def fails_alone(failed: int, reference_failed: int, seeds: int) -> bool:
    """Whether a stack fails to learn with all seeds and its reference with none, or with far more seeds than it.

    Args:
        failed: The number of the stack's trainings that have learned nothing.
        reference_failed: That of its reference.
        seeds: The number of trainings of each.
    """
    return failed == seeds and not reference_failed or fails_more_often(failed, reference_failed, seeds)


def fails_more_often(failed: int, reference_failed: int, seeds: int) -> bool:
    """Whether a stack fails to learn with more seeds than chance explains, by Fisher's exact test, one-sided at 2.5 %.

    If both fail with the same probability, whatever it is, 1 comparison in 40 at most says so. The seeds count as
    independent; where equal seeds make both fail together, it is fewer.

    Args:
        failed: The number of the stack's trainings that have learned nothing.
        reference_failed: That of its reference.
        seeds: The number of trainings of each.
    """
    if failed <= reference_failed:  # as nearly always: the test takes long where many grids are simulated
        return False
    from scipy.stats import fisher_exact  # here, because it takes a second, which few grids need

    table = [[failed, seeds - failed], [reference_failed, seeds - reference_failed]]
    return bool(fisher_exact(table, alternative='greater').pvalue <= CHANCE)
