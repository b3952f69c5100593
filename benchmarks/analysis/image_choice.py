"""Which test images stand for a comparison: chosen by a rule from the paired differences, never by hand."""
# N images

from collections.abc import Sequence

import numpy as np

GAIN, LOSS, MEDIAN = 'largest gain', 'largest loss', 'median'


def chosen_images(differences: Sequence[float] | np.ndarray) -> list[tuple[str, int]]:
    """The images with the largest gain, the largest loss and the median difference, each image once.

    Without a gain there is no image of a gain, and without a loss none of a loss. The median of an even number of
    images is the lower one of the two in the middle. Of equal differences the first image is taken.

    Args:
        differences: (N,), of each image the score of the stack minus that of its reference; NaN where it is undefined.

    Returns:
        The rule and the index of each chosen image; nothing if no difference is defined.

    Example:
        >>> chosen_images([0.5, -2.0, float('nan'), 3.0])
        [('largest gain', 3), ('largest loss', 1), ('median', 0)]
    """
    values = np.asarray(differences, float)
    order = [int(index) for index in np.argsort(values, kind='stable') if not np.isnan(values[index])]
    if not order:
        return []
    largest = min(order, key=lambda index: (-values[index], index))
    wanted = [
        *([(GAIN, largest)] if values[largest] > 0 else []),
        *([(LOSS, order[0])] if values[order[0]] < 0 else []),
        (MEDIAN, order[(len(order) - 1) // 2]),
    ]
    return list({index: (rule, index) for rule, index in reversed(wanted)}.values())[::-1]
