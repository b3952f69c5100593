"""The annotation of one image, with the measurements that its comparisons with all predictions share."""

from functools import cached_property

import numpy as np

from benchmarks.probes.bands import band_counts, bands
from benchmarks.probes.contours import Contours, contours
from benchmarks.probes.counts import class_counts, confusion
from benchmarks.probes.distances import distances_between
from benchmarks.probes.labels import as_bytes, refuse_beyond, refuse_other_shape, refuse_other_than_2d
from benchmarks.probes.true_strata import TrueStrata
from benchmarks.record import NSD_TOLERANCE_PX


class Truth:
    """An annotation. Its bands and contours are measured once, when they are first needed.

    Each class is treated as the binary mask of its pixels. Void pixels belong to no class on either side: both masks
    are cut along the same line, and where both touch it, the cut is a contour that they share (distance 0).

    It holds three bytes per pixel (six from 256 classes on) and eight per edge pixel of the annotation; with the strata
    one more byte per pixel, and one for each class in the image.

    Args:
        labels (np.ndarray): Integers (H, W) in [0, C) or ``ignore_index``.
        num_classes (int): C.
        ignore_index (int): Label of the void pixels.
        dilation_ratio (float): Width of the boundary band relative to the image diagonal.

    Raises:
        ValueError: The map is not two-dimensional, or holds a label out of range.
        TypeError: The map does not hold integers.
    """

    def __init__(
        self, labels: np.ndarray, num_classes: int, ignore_index: int = 255, dilation_ratio: float = 0.02
    ) -> None:
        labels = as_bytes(labels, 'target')
        refuse_other_than_2d(labels, 'target')
        refuse_beyond(num_classes, labels, 'target', ignore_index)
        self.num_classes, self.dilation_ratio = num_classes, dilation_ratio
        self._void = labels == ignore_index
        self._labels = self._without_void(labels)

    def facts(self, pred_labels: np.ndarray) -> dict[str, np.ndarray]:
        """Measure a prediction: the facts of one image in a record.

        Args:
            pred_labels (np.ndarray): Integers (H, W) in [0, C) at every pixel, void or not.

        Returns:
            dict[str, np.ndarray]: ``tp``, ``fp``, ``fn``, int64 (C,), and those of :meth:`boundary_facts`.

        Raises:
            ValueError: The map is of another shape than the annotation, or holds a label out of range.
            TypeError: The map does not hold integers.
        """
        tp, fp, fn = class_counts(self.counts(pred_labels))
        return dict(tp=tp, fp=fp, fn=fn, **self.boundary_facts(pred_labels))

    def counts(self, pred_labels: np.ndarray) -> np.ndarray:
        """Count the pixels of every (true class, predicted class) pair: :func:`benchmarks.probes.counts.confusion`.

        Args:
            pred_labels (np.ndarray): Integers (H, W) in [0, C) at every pixel, void or not.

        Returns:
            np.ndarray: int64 (C, C), rows = target.
        """
        return confusion(pred_labels, self._labels, self.num_classes, ignore_index=self.num_classes)

    def boundary_facts(self, pred_labels: np.ndarray) -> dict[str, np.ndarray]:
        """Measure how the contours of a prediction agree: :func:`benchmarks.probes.boundary.boundary_facts`.

        Args:
            pred_labels (np.ndarray): Integers (H, W) in [0, C) at every pixel, void or not.
        """
        pred = self._without_void(self._checked(pred_labels))
        tp, fp, fn = band_counts(bands(pred, self.num_classes, self.dilation_ratio), self._bands, self.num_classes)
        edges = distances_between(contours(pred, self.num_classes), self._edges)
        return dict(
            boundary_tp=tp,
            boundary_fp=fp,
            boundary_fn=fn,
            edge_close=np.array([edge.close(NSD_TOLERANCE_PX) for edge in edges], np.int64),
            edge_total=np.array([edge.size for edge in edges], np.int64),
            hd95_px=np.array([edge.hd95_px for edge in edges]),
            assd_px=np.array([edge.assd_px for edge in edges]),
        )

    @cached_property
    def _bands(self) -> np.ndarray:
        return bands(self._labels, self.num_classes, self.dilation_ratio)

    @cached_property
    def _edges(self) -> Contours:
        return contours(self._labels, self.num_classes)

    @cached_property
    def strata(self) -> TrueStrata:
        """The strata of the annotation."""
        return TrueStrata(self._labels, self.num_classes)

    def _without_void(self, labels: np.ndarray) -> np.ndarray:
        labels = labels.astype(np.uint8 if self.num_classes < 256 else np.uint16)
        labels[self._void] = self.num_classes
        return labels

    def _checked(self, pred_labels: np.ndarray) -> np.ndarray:
        labels = as_bytes(pred_labels, 'pred')
        refuse_other_than_2d(labels, 'pred')
        refuse_other_shape(labels, self._labels)
        refuse_beyond(self.num_classes, labels, 'pred')
        return labels
