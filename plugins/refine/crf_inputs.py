"""Inputs of the dense CRF: what every implementation checks, computes from the image, and how it groups maps."""

import numpy as np

from plugins.arguments import check_number, check_whole

# Probabilities are clipped to this value before the logarithm. It lies below the step 1/65535 of a map quantised to 16
# bits: of such a map only exact zeros change.
LEAST_PROBABILITY = 1e-5

Spread = float | tuple[float, ...]


def check_inputs(probs: np.ndarray, image: np.ndarray, iterations: int) -> None:
    """Check the inputs of a dense CRF.

    Args:
        probs: float (C, H, W) with C >= 2.
        image: uint8 RGB (H, W, 3).
        iterations: Mean-field iterations, at least 1.

    Raises:
        ValueError: The shapes or the image's dtype are others, ``probs`` contains NaN, or ``iterations`` is below 1.
    """
    if probs.ndim != 3 or len(probs) < 2:
        raise ValueError(
            f'dense_crf: probs must be (C, H, W) with C >= 2, but its shape is {probs.shape}; '
            'stack [1 - p, p] for a map of one channel.'
        )
    if image.dtype != np.uint8 or image.shape != (*probs.shape[1:], 3):
        raise ValueError(
            f'dense_crf: image must be uint8 {(*probs.shape[1:], 3)} to match probs {probs.shape}, '
            f'but it is {image.dtype} {image.shape}.'
        )
    if iterations < 1:
        raise ValueError(f'dense_crf: iterations={iterations} must be at least 1.')
    if np.isnan(probs).any():
        raise ValueError('dense_crf: probs contains NaN; the model that predicted it has probably diverged.')


def check_kernels(
    iterations: int,
    gaussian_sxy: Spread,
    gaussian_compat: float,
    bilateral_sxy: Spread,
    bilateral_srgb: Spread,
    bilateral_compat: float,
) -> None:
    """Check the parameters of a dense CRF; pydensecrf ends the process on some that are wrong.

    Raises:
        ValueError: ``iterations`` is no whole number of at least 1, a spread is not positive, a weight is negative, or
            one of them is not finite.
    """
    check_whole('dense_crf: iterations', iterations, least=1)
    for name, spread, count in (
        ('gaussian_sxy', gaussian_sxy, 2),
        ('bilateral_sxy', bilateral_sxy, 2),
        ('bilateral_srgb', bilateral_srgb, 3),
    ):
        values = spread if isinstance(spread, (tuple, list, np.ndarray)) else (spread,) * count
        if len(values) != count:
            raise ValueError(f'dense_crf: {name}={spread!r}: give one number or {count}')
        for value in values:
            check_number(f'dense_crf: {name}', value, above=0)
    check_number('dense_crf: gaussian_compat', gaussian_compat, least=0)
    check_number('dense_crf: bilateral_compat', bilateral_compat, least=0)


def image_features(image: np.ndarray, sxy: Spread, srgb: Spread | None = None) -> np.ndarray:
    """The position of each pixel in the feature space of a Gaussian kernel of unit spread.

    Args:
        image: uint8 RGB (H, W, 3).
        sxy: Spread in pixels; a number or (x, y).
        srgb: Spread in grey levels; a number or (r, g, b). None leaves the colours out.

    Returns:
        float32 (2, H * W), x / sx and y / sy; with ``srgb`` float32 (5, H * W), r / sr, g / sg and b / sb after them.
        A spread of 0 gives values that are not finite, which the lattice refuses.
    """
    height, width = image.shape[:2]
    spreads = [*np.broadcast_to(sxy, 2), *(() if srgb is None else np.broadcast_to(srgb, 3))]
    features = np.empty((len(spreads), height, width), np.float32)
    features[0] = np.arange(width, dtype=np.float32)
    features[1] = np.arange(height, dtype=np.float32)[:, None]
    if srgb is not None:
        features[2:] = image.transpose(2, 0, 1)
    with np.errstate(divide='ignore', invalid='ignore'):  # the lattice refuses them with a message
        features /= np.array(spreads, np.float32)[:, None, None]
    return features.reshape(len(features), -1)


def groups(channels: list[int], lanes: int) -> list[list[int]]:
    """Divide maps into groups that are refined together.

    Maps of two classes and maps of more classes are never in one group. A group has at most ``lanes`` channels; a map
    with more channels is a group by itself.

    Args:
        channels: The number of channels of each map.
        lanes: The largest number of channels in a group.

    Returns:
        The groups, each a list of indices into ``channels``.
    """
    groups: list[list[int]] = []
    for two in (True, False):
        room = 0
        for m in (m for m, count in enumerate(channels) if (count == 2) == two):
            if channels[m] > room:
                groups.append([])
                room = max(lanes, channels[m])
            groups[-1].append(m)
            room -= channels[m]
    return groups
