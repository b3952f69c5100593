"""Labels from a map of probabilities or other scores."""

import numpy as np


def most_likely(maps: np.ndarray) -> np.ndarray:
    """The index of the largest channel of each pixel, the lowest index on ties: ``argmax`` over channels.

    Args:
        maps: Scores (C, H, W) with 2 <= C <= 256, of any real dtype.

    Returns:
        Labels, uint8 (H, W).

    Raises:
        ValueError: ``maps`` has fewer than 2 channels, or more than 256, the number of 8-bit labels.
    """
    if not 2 <= len(maps) <= 256:
        raise ValueError(f'Labels of 8 bits are chosen among 2 to 256 classes, but the map has {len(maps)}.')
    # Comparing contiguous planes is several times faster than argmax over the first axis.
    labels, largest = (maps[1] > maps[0]).astype(np.uint8), maps[0]
    for label in range(2, len(maps)):
        largest = np.maximum(largest, maps[label - 1])
        labels = np.where(maps[label] > largest, np.uint8(label), labels)
    return labels
