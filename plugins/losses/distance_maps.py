"""Exact Euclidean distances in pixels, from each pixel to the classes of its image."""

# N images, C classes, H×W pixels
from typing import Optional

import cv2
import numpy as np
import torch
from torch import Tensor


@torch.compiler.disable  # torch.compile would translate the calls of NumPy, and cannot trace OpenCV
@torch.no_grad()
def distance_to_classes_px(target: Tensor, num_classes: int, ignore_index: Optional[int] = 255) -> Tensor:
    """The distance from each pixel to the nearest pixel of each class in the same image.

    The distances are exact. They are computed on the CPU, by one distance transform for each class of an image.

    Args:
        target: Integer labels (N, H, W).
        num_classes: The number of classes C.
        ignore_index: Label of void pixels, which belong to no class.

    Returns:
        (N, C, H, W) float32 on the device of ``target``: 0 on the class itself, inf if the image lacks the class.
    """
    labels = _without_void(target, ignore_index).cpu().numpy()
    distances = np.full((len(labels), num_classes, *labels.shape[1:]), np.inf, np.float32)
    for image, maps in zip(labels, distances):
        for index in range(num_classes):
            elsewhere = image != index
            if not elsewhere.all():
                maps[index] = _distance_transform(elsewhere.view(np.uint8))
    return torch.from_numpy(distances).to(target.device)


def _distance_transform(elsewhere: np.ndarray) -> np.ndarray:
    # Without Intel's IPP, whose roundings depend on the memory address of the arrays: two runs would differ.
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    try:
        return cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    finally:
        cv2.ipp.setUseIPP(used)


@torch.no_grad()
def distance_to_boundary_px(target: Tensor, num_classes: int, ignore_index: Optional[int] = 255) -> Tensor:
    """The distance from each pixel to the nearest valid pixel of another class, minus one.

    The pixels on both sides of a boundary have distance 0. A border to void pixels or to the edge of the image is no
    boundary.

    Args:
        target: Integer labels (N, H, W).
        num_classes: The number of classes C.
        ignore_index: Label of void pixels.

    Returns:
        (N, H, W) float32; inf at void pixels and in images of a single class.
    """
    return _to_other_class(distance_to_classes_px(target, num_classes, ignore_index), target, ignore_index)


@torch.no_grad()
def signed_distance_maps_px(target: Tensor, num_classes: int, ignore_index: Optional[int] = 255) -> Tensor:
    """The signed distance to the region of each class: the level-set map of Kervadec et al. (their ``one_hot2dist``).

    Outside the class, the value is the distance to its nearest pixel, >= 1. Inside, it is minus the distance to the
    nearest valid pixel outside, plus one, <= 0: border pixels of the class have the value 0. All values are 0 for a
    class that the image lacks, and for a class of all valid pixels. Void pixels have the value 0, and are neither
    inside nor outside a class.

    Args:
        target: Integer labels (N, H, W).
        num_classes: The number of classes C.
        ignore_index: Label of void pixels.

    Returns:
        (N, C, H, W) float32 on the device of ``target``.
    """
    maps = distance_to_classes_px(target, num_classes, ignore_index)
    inside = _to_other_class(maps, target, ignore_index)
    labels = _without_void(target, ignore_index)
    maps.scatter_(1, labels.clamp(min=0).unsqueeze(1), -inside.unsqueeze(1))
    return maps.masked_fill_(maps.isinf() | (labels < 0).unsqueeze(1), 0)


def _to_other_class(to_classes: Tensor, target: Tensor, ignore_index: Optional[int]) -> Tensor:
    labels = _without_void(target, ignore_index)
    others = to_classes.scatter(1, labels.clamp(min=0).unsqueeze(1), float('inf'))
    return (others.amin(1) - 1).masked_fill_(labels < 0, float('inf'))


def _without_void(target: Tensor, ignore_index: Optional[int]) -> Tensor:
    """Labels in which void pixels have the value -1."""
    return target.long() if ignore_index is None else target.long().masked_fill(target == ignore_index, -1)
