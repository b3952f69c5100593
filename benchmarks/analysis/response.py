"""How a score responds to the values of parameters: a surface along the points of a sweep, the region of the best.

The best point of a sweep is the luckiest of the good ones. A *region* is what a sweep can show: the points whose score
lies within a margin of the best one with some chance. A quadratic surface through all points lends each the evidence of
its neighbours; it is fitted by least squares to each draw of the scores, so that its error is theirs. A parameter whose
values are positive and span a factor of ten enters by its logarithm.

Reference: Box and Draper 2007, "Response Surfaces, Mixtures, and Ridge Analyses".
"""
# P points, D parameters, B draws

from itertools import combinations_with_replacement

import numpy as np

WIDE = 10.0


def smoother(values: np.ndarray) -> np.ndarray | None:
    """The matrix that takes scores to a quadratic surface at the same points, (P, P).

    Args:
        values: (P, D), the values of the parameters.

    Returns:
        None where the surface would pass through all points, since it has as many coefficients as there are points.
    """
    columns = np.stack([_scaled(column) for column in np.asarray(values, float).T], axis=1)
    design = [np.ones(len(columns)), *columns.T]
    design += [columns[:, i] * columns[:, j] for i, j in combinations_with_replacement(range(columns.shape[1]), 2)]
    left, sizes, _ = np.linalg.svd(np.stack(design, axis=1), full_matrices=False)
    # Weights that sum to one make some columns redundant.
    basis = left[:, sizes > 1e-9 * sizes[0]]
    return None if basis.shape[1] >= len(columns) else basis @ basis.T


def chance_near_best(draws: np.ndarray, margin: float) -> np.ndarray:
    """The chance of each point to score at most ``margin`` below the best point, (P,).

    Args:
        draws: (B, P).
        margin: In the unit of the scores.
    """
    return (draws >= draws.max(axis=1, keepdims=True) - margin).mean(axis=0)


def _scaled(column: np.ndarray) -> np.ndarray:
    """A parameter between -1 and 1, by its logarithm if it spans a wide range."""
    if column.min() > 0 and column.max() >= WIDE * column.min():
        column = np.log(column)
    span = column.max() - column.min()
    return np.zeros(len(column)) if span == 0 else 2 * (column - column.min()) / span - 1
