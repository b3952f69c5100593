"""Connected regions of a label map."""

from typing import NamedTuple

import cc3d
import numpy as np


class Regions(NamedTuple):
    """The maximal connected sets of pixels of one class, numbered from 1.

    Attributes:
        ids (np.ndarray): unsigned integers (H, W), the region of each pixel.
        sizes (np.ndarray): int64 (R + 1,), pixels of each region; 0 for the number 0, which is none.
        owner (np.ndarray): uint8 (R + 1,), the class of each region.
    """

    ids: np.ndarray
    sizes: np.ndarray
    owner: np.ndarray


def regions(labels: np.ndarray, connectivity: int) -> Regions:
    """Find the regions of all classes.

    Args:
        labels: uint8 (H, W).
        connectivity: 8 counts diagonal neighbours as connected, 4 does not.
    """
    # cc3d leaves the value 0 out, so every class moves up by one, beyond 8 bits. (It could also label one mask after
    # the other; but as booleans, with 8 neighbours and an odd width or height, its version 4.1.1 labels them wrongly.)
    ids = cc3d.connected_components(labels.astype(np.uint16) + 1, connectivity=connectivity)
    # Runs of pixels are counted instead of pixels: there are some fifty times fewer.
    flat = ids.reshape(-1)
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    owners = flat[starts]
    sizes = np.bincount(owners, weights=np.diff(starts, append=flat.size)).astype(np.int64)
    owner = np.zeros(len(sizes), np.uint8)
    owner[owners] = labels.reshape(-1)[starts]
    return Regions(ids, sizes, owner)
