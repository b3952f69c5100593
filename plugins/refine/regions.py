"""Connected regions of a label map."""

from collections.abc import Sequence
from typing import NamedTuple

import cc3d
import numpy as np

from plugins.arguments import check_whole, check_wholes


class Regions(NamedTuple):
    """The R regions of a label map: maximal connected sets of pixels of one class, numbered from 1.

    Attributes:
        ids (np.ndarray): The region of each pixel, unsigned integers (H, W).
        sizes (np.ndarray): The number of pixels of each region, int64 (R + 1,). Entry 0 is 0 and stands for no region.
        owner (np.ndarray): The class of each region, uint8 (R + 1,).
    """

    ids: np.ndarray
    sizes: np.ndarray
    owner: np.ndarray


def check_classes(classes: Sequence[int] | None, background: int | None) -> None:
    """Refuse classes that are no labels of 8 bits.

    Raises:
        ValueError: A class or the background is none of 0 to 255, or ``classes`` is empty.
    """
    if classes is not None:
        check_wholes('classes', classes, 0, 255)
    if background is not None:
        check_whole('background', background, 0, 255)


def regions(labels: np.ndarray, connectivity: int) -> Regions:
    """Find the regions of all classes.

    Args:
        labels: uint8 (H, W).
        connectivity: 8 counts diagonal neighbours as connected, 4 does not.
    """
    # cc3d ignores the value 0, so 1 is added to every class, which needs 16 bits. (Labelling one boolean mask per class
    # is no alternative: with 8 neighbours and an odd width or height, cc3d 4.1.1 labels boolean masks wrongly.)
    ids = cc3d.connected_components(labels.astype(np.uint16) + 1, connectivity=connectivity)  # type: ignore[call-overload]
    # Count runs of pixels instead of pixels: there are about fifty times fewer runs.
    flat = ids.reshape(-1)
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    owners = flat[starts]
    sizes = np.bincount(owners, weights=np.diff(starts, append=flat.size)).astype(np.int64)
    owner = np.zeros(len(sizes), np.uint8)
    owner[owners] = labels.reshape(-1)[starts]
    return Regions(ids, sizes, owner)
