"""The course of a training's loss in a few numbers: its mean in each tenth of the steps, and its spikes.

A *spike* is a loss far above what the steps before it show. With m the median and q the 90th percentile of the
:data:`WINDOW` losses before a step, the step is above all that is usual if its loss exceeds ``m`` by at least
``10 · (q - m)``, and by at least ``|m|``: ten times the spread of the batches, and twice the level. Normal noise
passes this limit at 13 standard deviations, exponential noise in 6 of a million steps. Steps in a row are one spike, so
that a loss that a technique switches on counts once.
"""
# T steps

import numpy as np

TENTHS = 10
WINDOW = 50
SPREADS, LEVELS = 10.0, 1.0
_AT_ONCE = 10_000  # windows, which bounds the memory


def mean_by_tenth(losses: np.ndarray) -> list[float]:
    """The mean of each tenth of the steps, the first one first.

    Args:
        losses: The loss of each step, or its learning rate (T,).

    Returns:
        Ten numbers; fewer where the training has fewer steps.

    Example:
        >>> mean_by_tenth(np.arange(20.0))[:3]
        [0.5, 2.5, 4.5]
    """
    parts = np.array_split(losses, min(TENTHS, len(losses)) or 1)
    return [float(part.mean()) for part in parts if len(part)]


def loss_spikes(losses: np.ndarray) -> int | None:
    """The number of spikes of a loss.

    Args:
        losses: The loss of each step (T,), finite.

    Returns:
        The number; None if no step has :data:`WINDOW` steps before it.
    """
    if len(losses) <= WINDOW:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(losses, WINDOW)[:-1]
    limits = [_limits(windows[start : start + _AT_ONCE]) for start in range(0, len(windows), _AT_ONCE)]
    above = losses[WINDOW:] > np.concatenate(limits)
    return int(above[0]) + int((above[1:] & ~above[:-1]).sum())


def _limits(windows: np.ndarray) -> np.ndarray:
    usual, high = np.quantile(windows, (0.5, 0.9), axis=1)
    return usual + np.maximum(SPREADS * (high - usual), LEVELS * np.abs(usual))
