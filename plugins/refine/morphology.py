"""Binary opening or closing of the classes of a label map.

Opening removes structures that are too thin or too small to contain a disk; closing fills gaps that are too small to
contain it. In a label map, a pixel that leaves one class must join another:

- **open**: each class is opened separately in the input. A pixel removed from class c gets the label of the nearest
  pixel that is not c and was not removed from its class. If there is no such pixel, it keeps c.
- **close**: each class is closed separately in the input. Only pixels of ``background`` are added to a class, so that
  no object overwrites another. If several classes claim a pixel, the first in ``classes`` gets it.

Each class is opened in the input, so the order of classes does not matter for opening. The area outside the image
neither removes nor adds pixels: opening ignores the part of the disk outside, and closing treats the outside as not c.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from plugins.arguments import check_whole
from plugins.refine.nearest import fill_from_nearest
from plugins.refine.regions import check_classes

OPERATIONS = ('open', 'close')


def morphology(
    labels: np.ndarray, *, operation: str, radius: int, classes: Sequence[int] | None = None, background: int | None = 0
) -> np.ndarray:
    """Open or close the classes of a label map with a disk, by the rules in the docstring of the module.

    Args:
        labels: uint8 (H, W).
        operation: 'open' or 'close'.
        radius: Radius of the disk in pixels, at least 1. The disk has all offsets with ``dy^2 + dx^2 <= radius^2``.
        classes: Classes to open or close; None means all classes but the background, in ascending order.
        background: The class whose pixels closing may take; None if the data set has no background (opening only).

    Returns:
        A new label map, uint8 (H, W).

    Raises:
        ValueError: ``operation`` is unknown, ``radius`` is below 1, closing has no background or includes it in
            ``classes``, or ``labels`` is not uint8 (H, W).
    """
    _check_arguments(operation, radius, classes, background)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'morphology: labels must be uint8 (H, W), but they are {labels.dtype} {labels.shape}.')
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
    wanted = [c for c in present if c != background] if classes is None else [c for c in classes if c in present]
    if operation == 'open':
        return _open(labels, wanted, _disk(radius))  # type: ignore[arg-type]
    return _close(labels, wanted, _disk(radius), background)  # type: ignore[arg-type]


def _open(labels: np.ndarray, classes: Sequence[int], disk: np.ndarray) -> np.ndarray:
    removed = np.zeros(labels.shape, bool)
    for index in classes:
        mask = labels == index
        removed |= mask & ~_morph(mask, cv2.MORPH_OPEN, disk)
    opened = labels.copy()
    for index in np.unique(labels[removed]):
        holes = removed & (labels == index)
        filled = fill_from_nearest(labels, holes, ~removed & (labels != index))
        opened[holes] = filled[holes]
    return opened


def _close(labels: np.ndarray, classes: Sequence[int], disk: np.ndarray, background: int) -> np.ndarray:
    closed, free = labels.copy(), labels == background
    margin = len(disk)  # keeps the dilated class off the border, where OpenCV's erosion would not remove it
    for index in classes:
        mask = np.pad(labels == index, margin)
        added = _morph(mask, cv2.MORPH_CLOSE, disk)[margin:-margin, margin:-margin] & free
        closed[added] = index
        free &= ~added
    return closed


def _morph(mask: np.ndarray, operation: int, disk: np.ndarray) -> np.ndarray:
    return cv2.morphologyEx(mask.astype(np.uint8), operation, disk).astype(bool)


def _disk(radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)


def _check_arguments(operation: str, radius: int, classes: Sequence[int] | None, background: int | None) -> None:
    if operation not in OPERATIONS:
        raise ValueError(f'morphology: operation={operation!r} is unknown; use {" or ".join(map(repr, OPERATIONS))}.')
    check_whole('morphology: radius', radius)
    if radius < 1:
        raise ValueError(f'morphology: radius={radius} must be at least 1 pixel.')
    if operation == 'close' and background is None:
        raise ValueError("morphology: closing takes its pixels from the background; name it, or use operation='open'.")
    if operation == 'close' and classes is not None and background in classes:
        raise ValueError(
            f'morphology: class {background} is the background, which closing takes pixels from; '
            'leave it out of classes.'
        )


@TRANSFORMS.register_module()
class Morphology(BaseTransform):
    """Open or close the classes of ``labels``. Arguments: see :func:`morphology`."""

    takes = 'labels'
    gives = 'labels'
    needs_image = False

    def __init__(
        self, operation: str, radius: int, classes: Sequence[int] | None = None, background: int | None = 0
    ) -> None:
        check_classes(classes, background)
        _check_arguments(operation, radius, classes, background)
        self.arguments = dict(operation=operation, radius=radius, classes=classes, background=background)

    def transform(self, results: dict) -> dict:
        """Refine ``results['labels']`` (H, W), and remove ``probs``, which no longer fit the labels."""
        results = {**results, 'labels': morphology(results['labels'], **self.arguments)}  # type: ignore[arg-type]
        results.pop('probs', None)
        return results
