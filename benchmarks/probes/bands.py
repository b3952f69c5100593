"""The boundary bands of all classes of a label map: the pixels near the border of their class."""

import numpy as np

from benchmarks.probes.contours import near_another
from benchmarks.probes.counts import class_counts, confusion


def bands(labels: np.ndarray, num_classes: int, dilation_ratio: float = 0.02) -> np.ndarray:
    """Keep each class's label in the class's band, and replace it by C elsewhere.

    The band of a mask is the mask minus its erosion by ``d`` steps of the 3×3 square,
    ``d = max(1, round(dilation_ratio · sqrt(H² + W²)))``. Pixels beyond the image count as outside the mask: a mask
    that touches the image border has a band there, too.

    Args:
        labels (np.ndarray): uint8 or uint16 (H, W), in [0, C]; pixels labelled C belong to no class.
        num_classes (int): C.
        dilation_ratio (float): Width of the band relative to the image diagonal.

    Returns:
        np.ndarray: Labels of the same type and shape; C outside the bands.

    Reference:
        Cheng et al.: Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021.
    """
    width = max(1, round(dilation_ratio * float(np.hypot(*labels.shape))))
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)  # the reach of `width` steps of the 3×3 square
    return np.where(near_another(labels, square, num_classes), labels, labels.dtype.type(num_classes))


def band_counts(pred: np.ndarray, target: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count how the bands of two label maps agree.

    Args:
        pred (np.ndarray): :func:`bands` of the prediction.
        target (np.ndarray): :func:`bands` of the truth.
        num_classes (int): C.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: Per class the pixels in both bands (tp), only in the prediction's
        (fp), only in the target's (fn), each int64 (C,).
    """
    tp, fp, fn = class_counts(confusion(pred, target, num_classes + 1, ignore_index=-1))
    return tp[:num_classes], fp[:num_classes], fn[:num_classes]
