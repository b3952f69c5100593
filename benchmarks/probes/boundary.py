"""How well contours agree: Hausdorff distance, average surface distance, surface Dice, boundary IoU.

Distances are Euclidean, in pixels. Three conventions of "boundary" live here, because the published scores use
different ones:

* **edge** (MONAI's; what the harness records): the pixels of a mask that its erosion by the 3×3 cross removes, that
  is, those with one of their four neighbours outside the mask. Every pixel counts once, so that a surface Dice is a
  ratio of integers. HD95 interpolates linearly between the distances of two pixels.
* **contour** (DeepMind's surface-distance): the corners between pixels at which a 2×2 neighbourhood is partly inside
  the mask. Each counts by the length of contour within its neighbourhood: 1 for a straight piece, √½ for a cut corner,
  √2 for two of them. HD95 is the smallest distance within which 95 % of that length lies, without interpolation.
* **band** (boundary IoU): the pixels of a mask within ``d`` steps of its contour, see :func:`boundary_counts`.

In all of them what lies beyond the image counts as outside the mask.

==============  ============================  ===============================
score           one of the masks is empty     both are empty
==============  ============================  ===============================
hd95, assd      NaN: no distance to nothing   NaN
nsd             0                             NaN: there is no boundary
boundary_iou    0                             NaN
==============  ============================  ===============================
"""
# H×W pixels, C classes, N boundary elements of one mask: edge pixels, or corners of its contour
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial import KDTree

from benchmarks.probes.counts import class_counts, confusion
from benchmarks.record import NSD_TOLERANCE_PX

EDGE, CONTOUR = 'edge', 'contour'
CONVENTIONS = (EDGE, CONTOUR)

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# A distance transform pays per pixel of the box, a tree per edge pixel, each about this many times as much.
_TREE_COST_PX = 48


class SurfaceDistances(NamedTuple):
    """The distances between two boundaries, measured once; the summaries are cheap.

    Attributes:
        pred_to_target (np.ndarray): float64 (N of the prediction,), from each boundary element of the prediction to the
            nearest one of the target, in pixels and in no particular order; ``inf`` where the target has none.
        target_to_pred (np.ndarray): float64 (N of the target,), the other way round.
        pred_lengths (np.ndarray | None): float64 (N of the prediction,), the length of each element in pixels; None
            in the edge convention, where each counts once.
        target_lengths (np.ndarray | None): The same for the target.
    """
    pred_to_target: np.ndarray
    target_to_pred: np.ndarray
    pred_lengths: np.ndarray | None = None
    target_lengths: np.ndarray | None = None

    @property
    def hd95_px(self) -> float:
        """float: The 95 % Hausdorff distance in pixels, see :func:`hd95`."""
        if self._one_is_empty:
            return float('nan')
        return float(max(_percentile95(*direction) for direction in self._directions))

    @property
    def assd_px(self) -> float:
        """float: The average symmetric surface distance in pixels, see :func:`assd`."""
        if self._one_is_empty:
            return float('nan')
        there, back = self._directions
        return float((_total(*there) + _total(*back)) / (_size(*there) + _size(*back)))

    @property
    def mean_px(self) -> tuple[float, float]:
        """tuple[float, float]: The average distances prediction → target and target → prediction, not symmetric."""
        if self._one_is_empty:
            return float('nan'), float('nan')
        there, back = (float(_total(*direction) / _size(*direction)) for direction in self._directions)
        return there, back

    def close(self, tolerance_px: float) -> float:
        """float: How much of both boundaries lies within the tolerance: pixels (an integer), or length."""
        return sum(_size(d[d <= tolerance_px], None if lengths is None else lengths[d <= tolerance_px])
                   for d, lengths in self._directions)

    @property
    def size(self) -> float:
        """float: How much there is of both boundaries together: pixels (an integer), or length."""
        return sum(_size(*direction) for direction in self._directions)

    def nsd(self, tolerance_px: float) -> float:
        """float: The normalised surface Dice at a tolerance in pixels, see :func:`nsd`."""
        return float(self.close(tolerance_px) / self.size) if self.size else float('nan')

    @property
    def _directions(self) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray | None]]:
        return (self.pred_to_target, self.pred_lengths), (self.target_to_pred, self.target_lengths)

    @property
    def _one_is_empty(self) -> bool:
        return self.pred_to_target.size == 0 or self.target_to_pred.size == 0


def surface_distances(pred: np.ndarray, target: np.ndarray, convention: str = EDGE) -> SurfaceDistances:
    """Measure the distance from every boundary element of each mask to the nearest one of the other.

    Distances are Euclidean and exact (to float32 precision).

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        convention (str): ``'edge'`` (MONAI's) or ``'contour'`` (DeepMind's), see the module's docstring.

    Returns:
        SurfaceDistances: Both directions. A mask without pixels has no boundary: its own array is empty, and the
        other's distances are ``inf``.

    Raises:
        ValueError: The masks are not two-dimensional, differ in shape or hold something else than 0 and 1; or the
            convention is unknown.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f'the boundary convention {convention!r} is unknown; use one of {CONVENTIONS}')
    pred, target = _binary(pred, target)
    if convention == EDGE:
        return _distances_between(_edge_pixels(pred, 2)[1], _edge_pixels(target, 2)[1])
    (pred_points, pred_lengths), (target_points, target_lengths) = map(_contour_elements, (pred, target))
    return _distances_between(pred_points, target_points)._replace(pred_lengths=pred_lengths,
                                                                   target_lengths=target_lengths)


def hd95(pred: np.ndarray, target: np.ndarray, convention: str = EDGE) -> float:
    """Compute the symmetric 95 % Hausdorff distance of two binary masks.

    ``max(P95(pred → target), P95(target → pred))`` of the surface distances. P95 interpolates linearly in the edge
    convention, as MONAI's ``compute_hausdorff_distance(percentile=95)`` does; in the contour convention it is the
    smallest distance within which at least 95 % of the contour's length lies, as DeepMind's
    ``compute_robust_hausdorff`` has it.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        convention (str): ``'edge'`` or ``'contour'``, see the module's docstring.

    Returns:
        float: Pixels. NaN when either mask is empty: a distance to nothing is undefined. (DeepMind: infinity.)

    Raises:
        ValueError: As :func:`surface_distances`.

    Reference:
        Huttenlocher, Klanderman, Rucklidge: Comparing images using the Hausdorff distance, TPAMI 1993.
    """
    return surface_distances(pred, target, convention).hd95_px


def assd(pred: np.ndarray, target: np.ndarray, convention: str = EDGE) -> float:
    """Compute the average symmetric surface distance of two binary masks.

    ``(Σ d(pred → target) + Σ d(target → pred)) / (N_pred + N_target)``: the mean over the elements of both boundaries
    together, as MONAI's ``compute_average_surface_distance(symmetric=True)`` has it. The mean of the two directed
    means, which some papers call by the same name, differs where one boundary is longer; ``SurfaceDistances.mean_px``
    has the directed ones. In the contour convention every element counts by its length.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        convention (str): ``'edge'`` or ``'contour'``, see the module's docstring.

    Returns:
        float: Pixels. NaN when either mask is empty.

    Raises:
        ValueError: As :func:`surface_distances`.

    Reference:
        Heimann et al.: Comparison and evaluation of methods for liver segmentation from CT datasets, TMI 2009.
    """
    return surface_distances(pred, target, convention).assd_px


def nsd(pred: np.ndarray, target: np.ndarray, tolerance_px: float, convention: str = EDGE) -> float:
    """Compute the normalised surface Dice of two binary masks.

    The share of both boundaries together that lies within ``tolerance_px`` (inclusive) of the other one: of edge
    pixels as in MONAI's ``compute_surface_dice``, or of contour length as in DeepMind's
    ``compute_surface_dice_at_tolerance`` (and MONAI's with ``use_subvoxels=True``).

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        tolerance_px (float): Largest deviation that is accepted, in pixels.
        convention (str): ``'edge'`` or ``'contour'``, see the module's docstring.

    Returns:
        float: In [0, 1]. 0 when one mask is empty, NaN when both are.

    Raises:
        ValueError: As :func:`surface_distances`.

    Reference:
        Nikolov et al.: Clinically applicable segmentation of head and neck anatomy, JMIR 2021.
    """
    return surface_distances(pred, target, convention).nsd(tolerance_px)


def boundary_counts(pred: np.ndarray, target: np.ndarray, dilation_ratio: float = 0.02) -> tuple[int, int, int]:
    """Count the agreement of two binary masks within their boundary bands.

    The band of a mask is the mask minus its erosion by ``d`` steps of the 3×3 square,
    ``d = max(1, round(dilation_ratio · sqrt(H² + W²)))``; what lies beyond the image is outside the mask, so that a
    mask has a band along the image border as well.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        dilation_ratio (float): Width of the band relative to the image diagonal.

    Returns:
        tuple[int, int, int]: Pixels in both bands (tp), only in the prediction's (fp), only in the target's (fn).

    Raises:
        ValueError: The masks are not two-dimensional, differ in shape or hold something else than 0 and 1.

    Reference:
        Cheng et al.: Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021.
    """
    pred, target = _binary(pred, target)
    tp, fp, fn = _band_counts(pred, target, 2, dilation_ratio)
    return int(tp[1]), int(fp[1]), int(fn[1])


def boundary_iou(pred: np.ndarray, target: np.ndarray, dilation_ratio: float = 0.02) -> float:
    """Compute the boundary IoU of two binary masks: ``tp / (tp + fp + fn)`` of :func:`boundary_counts`.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        dilation_ratio (float): Width of the band relative to the image diagonal.

    Returns:
        float: In [0, 1]. 0 when one mask is empty, NaN when both are.

    Raises:
        ValueError: The masks are not two-dimensional, differ in shape or hold something else than 0 and 1.

    Reference:
        Cheng et al.: Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021.
    """
    tp, fp, fn = boundary_counts(pred, target, dilation_ratio)
    return tp / (tp + fp + fn) if tp + fp + fn else float('nan')


def boundary_facts(pred_labels: np.ndarray,
                   target_labels: np.ndarray,
                   num_classes: int,
                   ignore_index: int = 255,
                   dilation_ratio: float = 0.02) -> dict[str, np.ndarray]:
    """Measure the contours of every class of one image.

    Each class is treated as the binary mask of its pixels. Void pixels belong to no class on either side: both masks
    are cut along the same line, and where both touch it, the cut is a contour that they share (distance 0).

    Args:
        pred_labels (np.ndarray): Integers (H, W) in [0, C).
        target_labels (np.ndarray): Integers (H, W) in [0, C) or ``ignore_index``.
        num_classes (int): C.
        ignore_index (int): Label of the void pixels in ``target_labels``.
        dilation_ratio (float): Width of the boundary band relative to the image diagonal.

    Returns:
        dict[str, np.ndarray]: ``boundary_tp``, ``boundary_fp``, ``boundary_fn``: int64 (C,), see
        :func:`boundary_counts`. ``edge_close``, ``edge_total``: int64 (C,), edge pixels of both masks, and those of
        them within ``NSD_TOLERANCE_PX`` of the other edge, see :func:`nsd`. All are zeros for a class absent from both
        maps. ``hd95_px``, ``assd_px``: float64 (C,), see :func:`hd95` and :func:`assd`; NaN (undefined) for a class
        absent from either map.

    Raises:
        ValueError: The maps are not two-dimensional, differ in shape or hold a label out of range.
    """
    _refuse_other_than_2d(pred_labels, target_labels)
    confusion(pred_labels, target_labels, num_classes, ignore_index)  # refuses bad labels at 1 % of the cost below
    void = np.asarray(target_labels) == ignore_index
    pred, target = (np.asarray(labels).astype(np.uint8 if num_classes < 256 else np.uint16)
                    for labels in (pred_labels, target_labels))
    pred[void] = target[void] = num_classes
    tp, fp, fn = _band_counts(pred, target, num_classes, dilation_ratio)
    edges = list(map(_distances_between, _edge_pixels(pred, num_classes), _edge_pixels(target, num_classes)))
    return dict(boundary_tp=tp, boundary_fp=fp, boundary_fn=fn,
                edge_close=np.array([edge.close(NSD_TOLERANCE_PX) for edge in edges], np.int64),
                edge_total=np.array([edge.size for edge in edges], np.int64),
                hd95_px=np.array([edge.hd95_px for edge in edges]),
                assd_px=np.array([edge.assd_px for edge in edges]))


def _size(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    """How much boundary the elements stand for: their number, or their length."""
    return distances.size if lengths is None else float(lengths.sum())


def _total(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    return float((distances if lengths is None else distances * lengths).sum())


def _percentile95(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    if lengths is None:
        return np.percentile(distances, 95)
    order = np.argsort(distances, kind='stable')
    share = np.cumsum(lengths[order]) / lengths.sum()
    return distances[order[min(np.searchsorted(share, 0.95), len(order) - 1)]]


def _binary(pred: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _refuse_other_than_2d(pred, target)
    confusion(pred, target, 2, ignore_index=-1)  # refuses different shapes and anything but 0 and 1
    return np.ascontiguousarray(pred, np.uint8), np.ascontiguousarray(target, np.uint8)


def _refuse_other_than_2d(pred: np.ndarray, target: np.ndarray) -> None:
    for name, labels in (('pred', pred), ('target', target)):
        if np.ndim(labels) != 2:
            raise ValueError(f'{name} has the shape {np.shape(labels)}; contours are measured on one image (H, W)')


def _near_another(labels: np.ndarray, kernel: np.ndarray, beyond: int) -> np.ndarray:
    """Say which pixels see another label than their own, or the image border, through the kernel.

    A pixel has one label, so that the smallest and the largest one around it answer for all classes at once.
    ``beyond`` is larger than any class and stands for what lies beyond the image.
    """
    largest = cv2.dilate(labels, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=beyond)
    return cv2.erode(labels, kernel) != largest


def _band_counts(pred: np.ndarray, target: np.ndarray, num_classes: int,
                 dilation_ratio: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count tp, fp and fn (C,) of the bands of all classes; pixels labelled ``num_classes`` belong to none."""
    width = max(1, round(dilation_ratio * float(np.hypot(*pred.shape))))
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)  # what `width` steps of the 3×3 square reach
    bands = [np.where(_near_another(labels, square, num_classes), labels, labels.dtype.type(num_classes))
             for labels in (pred, target)]
    tp, fp, fn = class_counts(confusion(*bands, num_classes + 1, ignore_index=-1))
    return tp[:num_classes], fp[:num_classes], fn[:num_classes]


def _edge_pixels(labels: np.ndarray, num_classes: int) -> list[np.ndarray]:
    """List the edge pixels of each class as (row, column), int32 (N, 2)."""
    rows, columns = np.nonzero(_near_another(labels, _CROSS, num_classes))
    classes = labels[rows, columns]
    order = np.argsort(classes, kind='stable')
    points = np.stack([rows[order], columns[order]], axis=1).astype(np.int32)
    first = np.searchsorted(classes[order], np.arange(num_classes + 1))
    return [points[first[c]:first[c + 1]] for c in range(num_classes)]


def _contour_elements(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the corners between pixels that a mask's contour passes: (row, column) int32 (N, 2), and lengths (N,)."""
    padded = np.pad(mask, 1)  # beyond the image is outside the mask
    upper_left, upper_right, lower_left, lower_right = (
        padded[rows, columns] for rows in (np.s_[:-1], np.s_[1:]) for columns in (np.s_[:-1], np.s_[1:]))
    inside = upper_left + upper_right + lower_left + lower_right
    corners = np.nonzero((inside > 0) & (inside < 4))
    diagonal = (upper_left == lower_right)[corners]
    # One pixel in or out cuts a corner of √½; two beside each other make a straight piece, two across cut twice.
    lengths = np.where(inside[corners] != 2, np.sqrt(0.5), np.where(diagonal, np.sqrt(2), 1.0))
    return np.stack(corners, axis=1).astype(np.int32), lengths


def _distances_between(pred: np.ndarray, target: np.ndarray) -> SurfaceDistances:
    if len(pred) == 0 or len(target) == 0:
        return SurfaceDistances(np.full(len(pred), np.inf), np.full(len(target), np.inf))
    low = np.minimum(pred.min(axis=0), target.min(axis=0))
    box = np.maximum(pred.max(axis=0), target.max(axis=0)) - low + 1
    if box[0] * box[1] > _TREE_COST_PX * (len(pred) + len(target)):
        return SurfaceDistances(_by_tree(pred, target), _by_tree(target, pred))
    return SurfaceDistances(_by_transform(pred - low, target - low, box), _by_transform(target - low, pred - low, box))


def _by_tree(points: np.ndarray, goals: np.ndarray) -> np.ndarray:
    return KDTree(goals, leafsize=24, balanced_tree=False, compact_nodes=False).query(points)[0]


def _by_transform(points: np.ndarray, goals: np.ndarray, box: np.ndarray) -> np.ndarray:
    away = np.ones(box, np.uint8)
    away[goals[:, 0], goals[:, 1]] = 0
    # Intel's IPP, which OpenCV would call, rounds by where the arrays lie in memory: two runs would differ.
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    finally:
        cv2.ipp.setUseIPP(used)
    return distance[points[:, 0], points[:, 1]].astype(np.float64)
