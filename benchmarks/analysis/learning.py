"""Cells whose network has learned nothing: it gives every pixel of every test image the same class.

The rule reads predictions alone, so it holds for any loss: a cell is degenerate if all its predicted pixels are of one
class although the truth has more. A cell whose weights give more than one class in another cell has learned: there a
refinement, a view or a condition has removed the other classes, which is a result.
"""

from collections.abc import Mapping

from benchmarks.analysis.counts import CellCounts, Counts


def one_class_everywhere(cell: CellCounts) -> bool:
    """Whether a cell predicts one class in all pixels of all images although the truth has more."""
    tp, fp, fn = cell.area.sum(axis=0).T
    return int((tp + fp > 0).sum()) == 1 and int((tp + fn > 0).sum()) > 1


def not_learned(counts: Counts, weights: Mapping[str, str]) -> set[str]:
    """The cells whose network has learned nothing.

    Args:
        counts: Counts of the ok cells.
        weights: For each ok cell, what its weights have in common with those of other cells: equal texts, equal
            weights.
    """
    degenerate = {name for name, cell in counts.cells.items() if one_class_everywhere(cell)}
    learned = {weights[name] for name in counts.cells.keys() - degenerate}
    return {name for name in degenerate if weights[name] not in learned}
