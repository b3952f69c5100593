"""Removing small components and filling holes, against SciPy's labelling of each class's mask.

Both ways use the same function to give a removed pixel the label of the nearest pixel that stays.
"""

from functools import partial

import cv2
import numpy as np
from scipy import ndimage

from benchmarks.speed.label_maps import label_maps
from benchmarks.speed.side_by_side import report, side_by_side
from plugins.refine.components import components
from plugins.refine.fill_holes import fill_holes
from plugins.refine.nearest import fill_from_nearest

SHAPE = (1024, 2048)
CLASSES = 19
MIN_SIZE = MAX_SIZE = 64
WITH_DIAGONALS = np.ones((3, 3))
ROUNDS = 5


def main() -> None:
    """Run the comparison."""
    cv2.setNumThreads(1)
    _, (labels,) = label_maps(SHAPE, CLASSES, 1)
    what = f'{SHAPE[0]}×{SHAPE[1]}, {CLASSES} classes'
    pairs = [
        (
            f'components below {MIN_SIZE} pixels removed, {what}',
            partial(_remove_by_scipy, labels),
            partial(components, labels, min_size=MIN_SIZE, background=None),
        ),
        (
            f'holes up to {MAX_SIZE} pixels filled, {what}',
            partial(_fill_by_scipy, labels),
            partial(fill_holes, labels, max_size=MAX_SIZE, background=None),
        ),
    ]
    report(
        'connected_components',
        [
            side_by_side(
                name,
                ('SciPy, class by class', theirs),
                ('ours', ours),
                rounds=ROUNDS,
                note=_equality(labels, ours(), theirs()),
            )
            for name, theirs, ours in pairs
        ],
    )


def _remove_by_scipy(labels: np.ndarray) -> np.ndarray:
    removed = np.zeros(labels.shape, bool)
    for c in range(CLASSES):
        ids, _ = ndimage.label(labels == c, WITH_DIAGONALS)
        small = np.bincount(ids.ravel()) < MIN_SIZE
        small[0] = False
        removed |= small[ids]
    return fill_from_nearest(labels, removed, ~removed)


def _fill_by_scipy(labels: np.ndarray) -> np.ndarray:
    filled, smallest = labels.copy(), np.full(labels.shape, MAX_SIZE + 1)
    for c in range(CLASSES):
        ids, _ = ndimage.label(labels != c)
        sizes = np.bincount(ids.ravel())
        sizes[0] = 0
        for side in (ids[0], ids[-1], ids[:, 0], ids[:, -1]):
            sizes[side] = 0
        sizes = sizes[ids]
        chosen = (sizes > 0) & (sizes < smallest)
        filled[chosen], smallest[chosen] = c, sizes[chosen]
    return filled


def _equality(labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> str:
    if not np.array_equal(ours, theirs):
        raise AssertionError(f'{np.count_nonzero(ours != theirs)} labels differ')
    return f'equal; {np.count_nonzero(ours != labels)} pixels changed'


if __name__ == '__main__':
    main()
