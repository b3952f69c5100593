"""The contours of all classes of a label map.

An element of a contour is an edge pixel or a corner between pixels. :mod:`benchmarks.probes.boundary` describes both
conventions.
"""

# H×W pixels, C classes, N boundary elements of all classes together
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.probes.compiled import compiled

EDGE, CONTOUR = 'edge', 'contour'
CONVENTIONS = (EDGE, CONTOUR)

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_TWO_BY_TWO = np.ones((2, 2), np.uint8)


class Contours(NamedTuple):
    """The boundary elements of all classes, class by class and in reading order.

    Attributes:
        points (np.ndarray): int32 (N, 2), row and column of each element.
        first (np.ndarray): int64 (C + 1,); the elements of class c are ``points[first[c]:first[c + 1]]``.
        lengths (np.ndarray | None): float64 (N,), the length of each element in pixels; None in the edge convention,
            where each element counts once.
    """

    points: np.ndarray
    first: np.ndarray
    lengths: np.ndarray | None = None


def contours(labels: np.ndarray, num_classes: int, convention: str = EDGE) -> Contours:
    """Find the contours of a label map.

    Args:
        labels (np.ndarray): uint8 or uint16 (H, W), in [0, C]; pixels labelled C belong to no class.
        num_classes (int): C.
        convention (str): ``'edge'`` or ``'contour'``.

    Raises:
        ValueError: The convention is unknown.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f'the boundary convention {convention!r} is unknown; use one of {CONVENTIONS}')
    return _edges(labels, num_classes) if convention == EDGE else _outlines(labels, num_classes)


def near_another(labels: np.ndarray, kernel: np.ndarray, beyond: int) -> np.ndarray:
    """Mark the pixels that have another label, or the image border, within a kernel around them.

    The smallest and the largest label within the kernel differ exactly there, for all classes at once.

    Args:
        labels (np.ndarray): uint8 or uint16 (H, W).
        kernel (np.ndarray): uint8; 1 for each neighbour that counts.
        beyond (int): Label of the pixels beyond the image; no smaller than any label.

    Returns:
        np.ndarray: bool (H, W).
    """
    largest = cv2.dilate(labels, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=beyond)
    return cv2.erode(labels, kernel) != largest


def _edges(labels: np.ndarray, num_classes: int) -> Contours:
    """The pixels of each class that its erosion by the 3×3 cross removes."""
    places = np.flatnonzero(near_another(labels, _CROSS, num_classes))
    order, first = _by_class(labels.reshape(-1)[places], num_classes)
    return Contours(_points(places[order], labels.shape[1]), first)


def _outlines(labels: np.ndarray, num_classes: int) -> Contours:
    """The corners at which a 2×2 neighbourhood is partly inside each class, and the contour's length in it."""
    padded = cv2.copyMakeBorder(labels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=num_classes)
    # OpenCV anchors a 2×2 kernel at its lower right pixel: a corner stands at the pixel below and right of it.
    corners = np.flatnonzero(near_another(padded, _TWO_BY_TWO, num_classes))
    classes, places, lengths = _classes_at(corners, padded.reshape(-1), padded.shape[1], num_classes)
    order, first = _by_class(classes, num_classes)
    return Contours(_points(places[order], padded.shape[1]) - 1, first, lengths[order])


def _by_class(classes: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """The order that sorts elements by class, without elements of no class, and the start of each class in it."""
    order = np.argsort(classes, kind='stable')
    first = np.searchsorted(classes[order], np.arange(num_classes + 1))
    return order[: first[-1]], first


def _points(places: np.ndarray, width: int) -> np.ndarray:
    return np.stack(np.divmod(places, width), axis=1).astype(np.int32)


@compiled
def _classes_at(corners, labels, width, num_classes):
    """For each class at each corner: the class, the corner, and the length of the class's contour there."""
    classes = np.empty(4 * len(corners), labels.dtype)
    places = np.empty(4 * len(corners), np.int64)
    lengths = np.empty(4 * len(corners), np.float64)
    elements = 0
    for corner in corners:
        square = (labels[corner - width - 1], labels[corner - width], labels[corner - 1], labels[corner])
        for i in range(4):
            label, inside, repeated = square[i], 0, False
            for j in range(4):
                inside += square[j] == label
                repeated |= j < i and square[j] == label
            if repeated or label == num_classes or inside == 4:
                continue
            classes[elements], places[elements] = label, corner
            # One pixel in or out cuts a corner: √½. Two neighbours make a straight piece: 1. Two opposite cut two: √2.
            if inside != 2:
                lengths[elements] = np.sqrt(0.5)
            elif (square[0] == label) == (square[3] == label):
                lengths[elements] = np.sqrt(2.0)
            else:
                lengths[elements] = 1.0
            elements += 1
    return classes[:elements], places[:elements], lengths[:elements]
