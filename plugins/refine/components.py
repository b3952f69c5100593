"""Remove small or secondary connected components from a label map."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from plugins.arguments import check_whole
from plugins.refine.nearest import fill_from_nearest
from plugins.refine.regions import check_classes, regions


def components(
    labels: np.ndarray,
    *,
    min_size: int = 1,
    keep_largest: bool = False,
    classes: Sequence[int] | None = None,
    background: int | None = 0,
    connectivity: int = 8,
) -> np.ndarray:
    """Remove components, and give their pixels the label of the nearest remaining pixel.

    A component is a maximal connected set of pixels of one class. Components with fewer than ``min_size`` pixels are
    removed. ``keep_largest`` also removes all components of a class but the largest; of several largest ones, the first
    in reading order stays. If no pixel would remain, nothing is removed.

    Args:
        labels: uint8 (H, W).
        min_size: Smallest size in pixels of a component that stays.
        keep_largest: Whether each class keeps its largest component only.
        classes: Classes to clean; None means all classes but the background. Including the background fills small
            holes in objects.
        background: The class that ``classes=None`` leaves out; None if the data set has no background.
        connectivity: 8 counts diagonal neighbours as connected, 4 does not.

    Returns:
        A new label map, uint8 (H, W).

    Raises:
        ValueError: The arguments would remove nothing, the connectivity is neither 4 nor 8, or ``labels`` is not uint8
            (H, W).
    """
    _check_arguments(min_size, keep_largest, connectivity)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'components: labels must be uint8 (H, W), but they are {labels.dtype} {labels.shape}.')
    ids, sizes, owner = regions(labels, connectivity)
    eligible = owner != background if classes is None else np.isin(owner, classes)
    removed = _doomed(sizes, owner, min_size, keep_largest) & eligible
    if not removed[1:].any():
        return labels.copy()
    pixels = removed.take(ids)
    return fill_from_nearest(labels, pixels, ~pixels)


def _doomed(sizes: np.ndarray, owner: np.ndarray, min_size: int, keep_largest: bool) -> np.ndarray:
    """Whether each component is too small or not the largest of its class; bool, one per id, ids count from 1."""
    doomed = sizes < min_size
    if keep_largest:
        for index in np.unique(owner[1:]):
            own = np.flatnonzero(owner[1:] == index) + 1
            doomed[np.delete(own, sizes[own].argmax())] = True
    return doomed


def _check_arguments(min_size: int, keep_largest: bool, connectivity: int) -> None:
    check_whole('components: min_size', min_size)
    if min_size <= 1 and not keep_largest:
        raise ValueError(
            f'components: min_size={min_size} without keep_largest removes nothing; raise min_size to 2 '
            'at least, or set keep_largest=True.'
        )
    if isinstance(connectivity, bool) or connectivity not in (4, 8):
        raise ValueError(f'components: connectivity={connectivity} must be 4 or 8.')


@TRANSFORMS.register_module()
class Components(BaseTransform):
    """Remove small or secondary components of ``labels``. Arguments: see :func:`components`."""

    takes = 'labels'
    gives = 'labels'
    needs_image = False

    def __init__(
        self,
        min_size: int = 1,
        keep_largest: bool = False,
        classes: Sequence[int] | None = None,
        background: int | None = 0,
        connectivity: int = 8,
    ) -> None:
        _check_arguments(min_size, keep_largest, connectivity)
        check_classes(classes, background)
        self.arguments = dict(
            min_size=min_size,
            keep_largest=keep_largest,
            classes=classes,
            background=background,
            connectivity=connectivity,
        )

    def transform(self, results: dict) -> dict:
        """Refine ``results['labels']`` (H, W), and remove ``probs``, which no longer fit the labels."""
        results = {**results, 'labels': components(results['labels'], **self.arguments)}  # type: ignore[arg-type]
        results.pop('probs', None)
        return results
