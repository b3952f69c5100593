"""Counts of right and wrong pixels in strata of the truth: by the size of objects, and by the distance to a boundary.

An *object* is a connected component of a class (8 neighbours, diagonal ones included). A pixel that is wrongly given to
a class counts for the nearest object of that class, so that an object's Dice is ``2 r / (r + n + x)``, with n its
pixels, r those labelled right, and x the extra pixels nearest to it. Where the truth of an image lacks the class, extra
pixels count for no object. Distances to the nearest object are those of OpenCV's 5×5 mask, 2 % off at most; in an image
of more than 2^17 pixels they are measured on a coarser grid, by whole steps of that grid.

The *boundary* is made of the pixels that touch a pixel of another class along an edge. Void pixels and the border of
the image make no boundary.
"""
# H×W pixels, C classes, P of them present in the truth, B bins, h×w places of the coarse grid

import math
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.data.strata import BINS, BOUNDARY, CONFIDENCE, CONFIDENT, OBJECT, VIEWS
from benchmarks.probes.compiled import compiled

_LEVELS = 65536  # of a quantised map
_PLACES = 2**17  # of the coarse grid, about
_BIN_OF_LEVEL = np.searchsorted(CONFIDENCE, np.arange(_LEVELS) / (_LEVELS - 1), side='right').astype(np.uint8)
_NOTHING = np.zeros((0, 0), np.uint8)


class StrataCounts(NamedTuple):
    """Counts of one prediction of an image.

    Attributes:
        objects: int64 (C, B, 4), per class and size of objects: objects, their pixels, those right, and extra ones.
        pixels: By partition, int64 (B, 2): pixels labelled wrong and right; without ``views`` where there is one view.
    """

    objects: np.ndarray
    pixels: dict[str, np.ndarray]


class TrueStrata:
    """The strata of an annotation, measured once for all predictions of it.

    It holds three bytes per pixel, and P per place of the coarse grid.

    Args:
        labels (np.ndarray): uint8 or uint16 (H, W), in [0, C]; pixels labelled C are void.
        num_classes (int): C.
    """

    def __init__(self, labels: np.ndarray, num_classes: int) -> None:
        self.labels, self.num_classes = labels, num_classes
        present = np.flatnonzero(np.bincount(labels.reshape(-1), minlength=num_classes)[:num_classes])
        self._row = np.full(num_classes, -1)
        self._row[present] = np.arange(len(present))
        self._objects = np.zeros((num_classes, BINS[OBJECT]), np.int64)
        self._own = np.zeros(labels.shape, np.uint8)
        _measure_objects(labels, num_classes, np.zeros((2, labels.size), np.int32), self._own, self._objects)
        self._step = max(1, math.ceil(math.sqrt(labels.size / _PLACES)))
        places = [-(-side // self._step) for side in labels.shape]
        self._nearest = np.zeros((len(present), *places), np.uint8)
        _write_places(labels, num_classes, self._row, self._own, self._step, self._nearest)
        for of_class in self._nearest:
            _spread(of_class)
        self._band = _boundary_bins(labels, num_classes)

    def counts(self, pred: np.ndarray, confidence: np.ndarray, views_agree: np.ndarray | None = None) -> StrataCounts:
        """Count a prediction.

        Args:
            pred (np.ndarray): Labels (H, W) in [0, C).
            confidence (np.ndarray): uint16 (H, W), :func:`confidence_of` the map before refinement.
            views_agree (np.ndarray | None): bool (H, W), whether all views give the same label; None for one view.
        """
        of_objects = np.zeros((self.num_classes, BINS[OBJECT], 3), np.int64)
        bands, sure, views = (np.zeros((BINS[by], 2), np.int64) for by in (BOUNDARY, CONFIDENT, VIEWS))
        _tally(
            self.labels,
            np.ascontiguousarray(pred, self.labels.dtype),
            self.num_classes,
            self._row,
            self._own,
            (self._nearest, self._step),
            (self._band, _BIN_OF_LEVEL[confidence]),
            _NOTHING if views_agree is None else np.ascontiguousarray(views_agree, np.uint8),
            of_objects,
            (bands, sure, views),
        )
        objects = np.concatenate([self._objects[..., None], of_objects], axis=2)
        pixels = {BOUNDARY: bands, CONFIDENT: sure} | ({} if views_agree is None else {VIEWS: views})
        return StrataCounts(objects, pixels)


def confidence_of(quantised_map: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The probability of each pixel's label in 16 bits, uint16 (H, W).

    Args:
        quantised_map (np.ndarray): uint16 (K, H, W); K = 1 holds the probability of class 1.
        labels (np.ndarray): Its labels (H, W), which are the most likely ones if K > 1.
    """
    if len(quantised_map) > 1:
        return quantised_map.max(axis=0)
    return np.where(labels == 1, quantised_map[0], _LEVELS - 1 - quantised_map[0]).astype(np.uint16)


def _spread(places: np.ndarray) -> None:
    """Give each place without an object (0) the size bin of the nearest one; places with one hold its bin + 1."""
    free = (places == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    bins = np.zeros(int(nearest.max()) + 1, np.uint8)
    bins[nearest[free == 0]] = places[free == 0] - 1
    places[:] = bins[nearest]


def _boundary_bins(labels: np.ndarray, void: int) -> np.ndarray:
    """The band of each pixel, uint8 (H, W); the last one everywhere if there is no boundary."""
    away = np.ones(labels.shape, np.uint8)
    for here, there in (
        ((slice(1, None),), (slice(None, -1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        apart = (labels[here] != labels[there]) & (labels[here] != void) & (labels[there] != void)
        away[here][apart] = away[there][apart] = 0
    if away.all():
        return np.full(labels.shape, BINS[BOUNDARY] - 1, np.uint8)
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # A distance of sqrt(4.0) may be a hair below 2.
    return np.minimum(np.frexp(distance + 1e-4)[1].clip(0), BINS[BOUNDARY] - 1).astype(np.uint8)


@compiled
def _measure_objects(labels, void, scratch, own, objects):
    parent, area = scratch
    width = labels.shape[1]
    for y in range(labels.shape[0]):
        for x in range(width):
            t, here = labels[y, x], y * width + x
            parent[here] = here
            # A neighbour that is left out touches one that is joined, and so has been joined with it.
            if y and labels[y - 1, x] == t:
                _join(parent, here, here - width)
                continue
            if x and labels[y, x - 1] == t:
                _join(parent, here, here - 1)
            elif x and y and labels[y - 1, x - 1] == t:
                _join(parent, here, here - width - 1)
            if y and x + 1 < width and labels[y - 1, x + 1] == t:
                _join(parent, here, here - width + 1)
    for here in range(len(parent)):
        area[_root(parent, here)] += 1
    for y in range(labels.shape[0]):
        for x in range(width):
            t, here = labels[y, x], y * width + x
            if t == void:
                continue
            root, size = _root(parent, here), 0
            while area[root] >> (size + 1) and size + 1 < objects.shape[1]:
                size += 1
            own[y, x] = size
            objects[t, size] += root == here


@compiled
def _root(parent, here):
    while parent[here] != here:
        parent[here] = parent[parent[here]]
        here = parent[here]
    return here


@compiled
def _join(parent, one, other):
    one, other = _root(parent, one), _root(parent, other)
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@compiled
def _write_places(labels, void, row, own, step, places):
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            t = labels[y, x]
            if t != void:
                at = places[row[t], y // step]
                at[x // step] = max(at[x // step], own[y, x] + 1)


@compiled
def _tally(truth, pred, void, row, own, coarse, partitions, views, of_objects, of_pixels):
    band, sure = partitions
    of_bands, of_sure, of_views = of_pixels
    nearest, step = coarse
    for y in range(truth.shape[0]):
        for x in range(truth.shape[1]):
            t, p = truth[y, x], pred[y, x]
            if t == void:
                continue
            right = 1 if p == t else 0
            of_bands[band[y, x], right] += 1
            of_sure[sure[y, x], right] += 1
            if len(views):
                of_views[views[y, x], right] += 1
            of_objects[t, own[y, x], 0] += 1
            of_objects[t, own[y, x], 1] += right
            if not right and row[p] >= 0:
                of_objects[p, nearest[row[p], y // step, x // step], 2] += 1
