"""From a map of probabilities, or of anything ordered, to labels."""

import numpy as np


def most_likely(maps: np.ndarray) -> np.ndarray:
    """Labels of the largest channel, the first one on ties: ``argmax`` over channels.

    Args:
        maps: (C, H, W) with C >= 2, of any real dtype.

    Returns:
        Labels, uint8 (H, W).

    Raises:
        ValueError: when there are fewer than 2 channels, or more than the 256 that 8-bit labels tell apart.
    """
    if not 2 <= len(maps) <= 256:
        raise ValueError(f'Labels of 8 bits are chosen among 2 to 256 classes, but the map has {len(maps)}.')
    # Comparing planes, which lie in one piece, is several times faster than argmax over the slow axis.
    labels, largest = (maps[1] > maps[0]).astype(np.uint8), maps[0]
    for label in range(2, len(maps)):
        largest = np.maximum(largest, maps[label - 1])
        labels = np.where(maps[label] > largest, np.uint8(label), labels)
    return labels
