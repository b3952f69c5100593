"""Fill the holes in the objects of a label map."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from plugins.arguments import check_whole
from plugins.refine.regions import check_classes, regions


def fill_holes(
    labels: np.ndarray,
    *,
    max_size: int | None = None,
    classes: Sequence[int] | None = None,
    background: int | None = 0,
    connectivity: int = 4,
) -> np.ndarray:
    """Give the pixels of holes the class that surrounds them.

    A hole of class c is a maximal connected set of pixels of other classes that does not touch the border of the image.
    Holes of different classes may nest: a hole in grey matter may contain white matter with a hole of its own. A pixel
    in several holes gets the class of the smallest hole, and of equal sizes the lower class. The holes of all classes
    are determined in the input.

    Args:
        labels: uint8 (H, W).
        max_size: Largest hole in pixels that is filled. None fills all holes, also every object that another class
            surrounds.
        classes: Classes whose holes are filled; None means all classes but the background.
        background: The class that ``classes=None`` leaves out, because its holes are the objects. None if the data set
            has no background.
        connectivity: 4 lets a diagonal line of class c surround a hole (as scipy's ``binary_fill_holes`` does), 8 does
            not.

    Returns:
        A new label map, uint8 (H, W).

    Raises:
        ValueError: ``max_size`` is below 1, the connectivity is neither 4 nor 8, or ``labels`` is not uint8 (H, W).
    """
    _check_arguments(max_size, connectivity)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'fill_holes: labels must be uint8 (H, W), but they are {labels.dtype} {labels.shape}.')
    ids, sizes, owner = regions(labels, connectivity)
    pairs = _neighbours(ids, connectivity, len(sizes))
    is_open = np.zeros(len(sizes), bool)
    for side in (ids[0], ids[-1], ids[:, 0], ids[:, -1]):
        is_open[side] = True
    filled, smallest = owner.copy(), np.full(len(sizes), labels.size + 1)  # size of the hole that fills a region so far
    for index in np.unique(owner[1:]):
        if index != background if classes is None else index in classes:
            size = _hole_sizes(owner != index, sizes, is_open, pairs)
            chosen = (size > 0) & (size < smallest) & (size <= (max_size or labels.size))
            filled[chosen], smallest[chosen] = index, size[chosen]
    return filled.take(ids)


def _neighbours(ids: np.ndarray, connectivity: int, count: int) -> np.ndarray:
    """The E pairs of regions that touch, int64 (2, E), each pair once."""
    sides = [(ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])]
    if connectivity == 8:
        sides += [(ids[:-1, :-1], ids[1:, 1:]), (ids[:-1, 1:], ids[1:, :-1])]
    pairs = []
    for one, other in sides:
        apart = one != other
        one, other = one[apart].astype(np.int64), other[apart].astype(np.int64)
        pairs.append(np.unique(np.minimum(one, other) * count + np.maximum(one, other)))
    return np.stack(np.divmod(np.unique(np.concatenate(pairs)), count))


def _hole_sizes(outside: np.ndarray, sizes: np.ndarray, is_open: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The size of the hole in which each region lies, int64.

    Regions outside the class that touch each other belong to the same hole. The size is 0 for regions of the class
    itself, and for regions that are connected to the border of the image.
    """
    pairs = pairs[:, outside[pairs].all(axis=0)]
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(len(sizes), len(sizes)))
    hole = connected_components(graph, directed=False)[1]
    hole_sizes = np.bincount(hole, weights=sizes).astype(np.int64)
    hole_sizes[hole[is_open]] = 0
    return np.where(outside, hole_sizes[hole], 0)


def _check_arguments(max_size: int | None, connectivity: int) -> None:
    if max_size is not None:
        check_whole('fill_holes: max_size', max_size)
    if max_size is not None and max_size < 1:
        raise ValueError(f'fill_holes: max_size={max_size} fills nothing; raise it to 1 at least, or leave it out.')
    if connectivity not in (4, 8):
        raise ValueError(f'fill_holes: connectivity={connectivity} must be 4 or 8.')


@TRANSFORMS.register_module()
class FillHoles(BaseTransform):
    """Fill the holes in the objects of ``labels``. Arguments: see :func:`fill_holes`."""

    takes = 'labels'
    gives = 'labels'
    needs_image = False

    def __init__(
        self,
        max_size: int | None = None,
        classes: Sequence[int] | None = None,
        background: int | None = 0,
        connectivity: int = 4,
    ) -> None:
        _check_arguments(max_size, connectivity)
        check_classes(classes, background)
        self.arguments = dict(max_size=max_size, classes=classes, background=background, connectivity=connectivity)

    def transform(self, results: dict) -> dict:
        """Refine ``results['labels']`` (H, W), and remove ``probs``, which no longer fit the labels."""
        results = {**results, 'labels': fill_holes(results['labels'], **self.arguments)}  # type: ignore[arg-type]
        results.pop('probs', None)
        return results
