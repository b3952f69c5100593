"""How well contours agree: Hausdorff distance, average surface distance, surface Dice, boundary IoU.

Distances are Euclidean, in pixels. Three conventions of "boundary" live here, because the published scores use
different ones:

* **edge** (MONAI's; what the harness records): the pixels of a mask that its erosion by the 3×3 cross removes, that
  is, those with one of their four neighbours outside the mask. Every pixel counts once, so that a surface Dice is a
  ratio of integers. HD95 interpolates linearly between the distances of two pixels.
* **contour** (DeepMind's surface-distance): the corners between pixels at which a 2×2 neighbourhood is partly inside
  the mask. Each counts by the length of contour within its neighbourhood: 1 for a straight piece, √½ for a cut corner,
  √2 for two of them. HD95 is the smallest distance within which 95 % of that length lies, without interpolation.
* **band** (boundary IoU): the pixels of a mask within some steps of its border, see
  :func:`benchmarks.probes.bands.bands`.

In all of them pixels beyond the image count as outside the mask.

==============  ============================  ===============================
score           one of the masks is empty     both are empty
==============  ============================  ===============================
hd95, assd      NaN: no distance to nothing   NaN
nsd             0                             NaN: there is no boundary
boundary_iou    0                             NaN
==============  ============================  ===============================
"""

# H×W pixels, C classes, N boundary elements of one mask: edge pixels, or corners of its contour
import numpy as np

from benchmarks.probes.bands import band_counts, bands
from benchmarks.probes.contours import EDGE, contours
from benchmarks.probes.distances import SurfaceDistances, distances_between
from benchmarks.probes.labels import as_bytes, refuse_beyond, refuse_other_shape, refuse_other_than_2d
from benchmarks.probes.truth import Truth


def surface_distances(pred: np.ndarray, target: np.ndarray, convention: str = EDGE) -> SurfaceDistances:
    """Measure the distance from every boundary element of each mask to the nearest one of the other.

    Distances are Euclidean and exact: roots of integers, correctly rounded.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        convention (str): ``'edge'`` (MONAI's) or ``'contour'`` (DeepMind's), see the module's docstring.

    Returns:
        SurfaceDistances: Both directions. A mask without pixels has no boundary: its own array is empty, and the
        other's distances are ``inf``.

    Raises:
        ValueError: The masks are not two-dimensional, differ in shape or hold numbers other than 0 and 1; or the
            convention is unknown.
    """
    pred_contours, target_contours = (contours(labels, 1, convention) for labels in _binary(pred, target))
    return distances_between(pred_contours, target_contours)[0]


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

    Those are the pixels of a mask near its contour, see :func:`benchmarks.probes.bands.bands`.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        dilation_ratio (float): Width of the band relative to the image diagonal.

    Returns:
        tuple[int, int, int]: Pixels in both bands (tp), only in the prediction's (fp), only in the target's (fn).

    Raises:
        ValueError: The masks are not two-dimensional, differ in shape or hold numbers other than 0 and 1.

    Reference:
        Cheng et al.: Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021.
    """
    pred, target = _binary(pred, target)
    tp, fp, fn = band_counts(bands(pred, 1, dilation_ratio), bands(target, 1, dilation_ratio), 1)
    return int(tp[0]), int(fp[0]), int(fn[0])


def boundary_iou(pred: np.ndarray, target: np.ndarray, dilation_ratio: float = 0.02) -> float:
    """Compute the boundary IoU of two binary masks: ``tp / (tp + fp + fn)`` of :func:`boundary_counts`.

    Args:
        pred (np.ndarray): Binary mask (H, W), boolean or 0 and 1.
        target (np.ndarray): Binary mask (H, W).
        dilation_ratio (float): Width of the band relative to the image diagonal.

    Returns:
        float: In [0, 1]. 0 when one mask is empty, NaN when both are.

    Raises:
        ValueError: The masks are not two-dimensional, differ in shape or hold numbers other than 0 and 1.

    Reference:
        Cheng et al.: Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021.
    """
    tp, fp, fn = boundary_counts(pred, target, dilation_ratio)
    return tp / (tp + fp + fn) if tp + fp + fn else float('nan')


def boundary_facts(
    pred_labels: np.ndarray,
    target_labels: np.ndarray,
    num_classes: int,
    ignore_index: int = 255,
    dilation_ratio: float = 0.02,
) -> dict[str, np.ndarray]:
    """Measure the contours of every class of one image.

    Each class is treated as the binary mask of its pixels. Void pixels belong to no class on either side: both masks
    are cut along the same line, and where both touch it, the cut is a contour that they share (distance 0). Where one
    image has many predictions, :class:`benchmarks.probes.truth.Truth` measures its annotation once.

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
    return Truth(target_labels, num_classes, ignore_index, dilation_ratio).boundary_facts(pred_labels)


def _binary(pred: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The masks as labels of one class, 0, and of none, 1."""
    for labels, name in ((pred, 'pred'), (target, 'target')):
        refuse_other_than_2d(labels, name)
    pred, target = as_bytes(pred, 'pred'), as_bytes(target, 'target')
    refuse_other_shape(pred, target)
    for labels, name in ((pred, 'pred'), (target, 'target')):
        refuse_beyond(2, labels, name)
    return 1 - pred, 1 - target
