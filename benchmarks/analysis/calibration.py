"""How far the confidence of a network can be trusted, from the bins of confidence in the records.

In a bin of confidence from l to h a calibrated network labels a share between l and h of the pixels right. What a bin's
share r lacks to l is overconfidence, what it has beyond h underconfidence. The mean over pixels of
``max(l - r, 0) - max(r - h, 0)`` is how much more the network promises than it keeps, at least: within a bin more may
be wrong. Unlike the expected calibration error this has a sign, so that chance averages out.

Reference: Guo et al. 2017, "On calibration of modern neural networks".
"""
# N images, B bins, S seeds, G image groups

from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.resampling import Estimate, estimate, leave_one_fold_out, leave_one_group_out
from benchmarks.analysis.strata_counts import CellStrata
from benchmarks.data.strata import CONFIDENCE, CONFIDENT

LOW, HIGH = np.array([0.0, *CONFIDENCE]), np.array([*CONFIDENCE, 1.0])


def overconfidence(sums: np.ndarray) -> np.ndarray:
    """By how much the confidence exceeds the share of right pixels, percent points, (...,); below 0 if it falls short.

    Args:
        sums: Labelled pixels of each bin, and those labelled right, (..., 2 B) in turn.
    """
    pixels, right = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 2), -1, 0)
    share = right / np.maximum(pixels, 1)
    gap = np.maximum(LOW - share, 0) - np.maximum(share - HIGH, 0)
    total = pixels.sum(axis=-1)
    return np.where(total > 0, 100 * (pixels * gap).sum(axis=-1) / np.maximum(total, 1), np.nan)


def of_stack(cells: Sequence[CellStrata], groups: np.ndarray, folds: np.ndarray | None = None) -> Estimate | None:
    """The overconfidence of a stack over its seeds; None with fewer than two groups.

    Args:
        cells: The strata of each seed.
        groups: int (N,), the group of each image.
        folds: int (N,), the fold in which each image is tested; None without folds.
    """
    if groups.max() < 1:
        return None
    addends = np.array([cell.pixels[CONFIDENT].reshape(len(groups), -1) for cell in cells])
    full, without = leave_one_group_out(addends, groups, overconfidence)
    return estimate(full, without, np.bincount(groups), leave_one_fold_out(addends, folds, overconfidence))
