"""Accuracy against cost: the Pareto front, the cheapest stack that is good enough, and the volume below the front.

:func:`pareto_front` allows for the noise of measured latencies. All other functions take many draws of scores and costs
at once, and judge each draw by itself as if it were the truth.
"""
# B draws (or nothing), C stacks, N points

from collections.abc import Sequence

import numpy as np


def on_front(cost: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Whether no other stack costs as little or less and scores as high or higher, and is better in one of the two.

    Args:
        cost: (..., C).
        score: (..., C).

    Returns:
        np.ndarray: bool (..., C).

    Example:
        >>> on_front(np.array([10.0, 20.0, 30.0]), np.array([80.0, 79.0, 85.0])).tolist()
        [True, False, True]
    """
    order = np.lexsort((-score, cost), axis=-1)
    costs, scores = np.take_along_axis(cost, order, -1), np.take_along_axis(score, order, -1)
    # Those before a stack in this order cost as little or less; it is beaten unless it scores higher than all of them.
    ahead = np.ones(scores.shape, bool)
    ahead[..., 1:] = scores[..., 1:] > np.maximum.accumulate(scores, axis=-1)[..., :-1]
    # Equals in both stand side by side, and share the place of the first of them.
    equal = (costs[..., 1:] == costs[..., :-1]) & (scores[..., 1:] == scores[..., :-1])
    first = np.zeros(scores.shape, int)
    first[..., 1:] = np.where(equal, 0, np.arange(1, scores.shape[-1]))
    np.maximum.accumulate(first, axis=-1, out=first)
    front = np.empty(scores.shape, bool)
    np.put_along_axis(front, order, np.take_along_axis(ahead, first, -1), -1)
    return front


def pareto_front(
    latency_ms: Sequence[float], dice: Sequence[float], noise: Sequence[float] | None = None
) -> np.ndarray:
    """Indices of the points on the Pareto front, by rising latency.

    Two latencies are equal if they differ by less than the larger noise of the two, relative to the larger latency:
    such rows share a place. Another point beats a point if it is at least as fast and at least as accurate, and better
    in one of the two. The front is built from the most accurate point down, the faster one of equals first: a point
    joins it unless a point of the front beats it. Without noise these are the points that no other point beats.

    Args:
        latency_ms: Latencies, (N,).
        dice: Scores, (N,).
        noise: The relative noise of each latency, (N,); NaN, or None for all, where none was recorded, which counts
            as 0.

    Example:
        >>> pareto_front([10.0, 20.0, 30.0], [80.0, 79.0, 85.0]).tolist()
        [0, 2]
    """
    x, y = np.asarray(latency_ms, float), np.asarray(dice, float)
    unsure = np.zeros(len(x)) if noise is None else np.nan_to_num(np.asarray(noise, float))
    front: list[int] = []
    for i in sorted(range(len(y)), key=lambda i: (-y[i], x[i])):
        beats = []
        for j in front:
            equal = x[i] == x[j] or abs(x[i] - x[j]) < max(unsure[i], unsure[j]) * max(x[i], x[j])
            beats.append(y[j] > y[i] and (equal or x[j] < x[i]) or x[j] < x[i] and not equal)
        if not any(beats):
            front.append(i)
    return np.array(sorted(front, key=lambda i: (x[i], i)), int)


def equal_by_noise(latency_ms: Sequence[float], dice: Sequence[float], front: Sequence[int] | np.ndarray) -> np.ndarray:
    """Which points, (N,) bool, only noise keeps off the front: no other point beats them if latencies are exact.

    Args:
        latency_ms: Latencies, (N,).
        dice: Scores, (N,).
        front: Indices of the points on the front, from :func:`pareto_front` with noise.

    Example:
        >>> equal_by_noise([10.0, 10.5], [80.0, 85.0], front=[1]).tolist()
        [True, False]
    """
    exact = on_front(np.asarray(latency_ms, float), np.asarray(dice, float))
    return exact & ~np.isin(np.arange(len(exact)), front)


def cheapest_within(cost: np.ndarray, score: np.ndarray, margin: float) -> np.ndarray:
    """The index of the stack of least cost that scores at most ``margin`` below the best; of equal costs the better.

    Args:
        cost: (..., C).
        score: (..., C).
        margin: In the unit of the score.

    Returns:
        np.ndarray: int (...).

    Example:
        >>> int(cheapest_within(np.array([10.0, 20.0, 30.0]), np.array([80.0, 84.6, 85.0]), 0.5))
        1
    """
    enough = score >= score.max(axis=-1, keepdims=True) - margin
    costs = np.where(enough, cost, np.inf)
    least = costs == costs.min(axis=-1, keepdims=True)
    return np.where(least, score, -np.inf).argmax(axis=-1)


def volume(cost: np.ndarray, score: np.ndarray, reference: tuple[float, float]) -> np.ndarray:
    """The hypervolume: the area between the front and a reference point, in points x doublings of the cost.

    It is the integral over log2 of a budget, up to the reference cost, of how far the best score within that budget
    lies above the reference score (Zitzler and Thiele 1999). What lies beyond the reference adds nothing.

    Args:
        cost: (..., C), above 0.
        score: (..., C).
        reference: Cost and score.

    Returns:
        np.ndarray: (...).

    Example:
        >>> float(volume(np.array([10.0, 20.0]), np.array([81.0, 83.0]), (40.0, 80.0)))
        4.0
    """
    order = np.argsort(cost, axis=-1)
    budget = np.log2(np.minimum(np.take_along_axis(cost, order, -1), reference[0]))
    best = np.maximum.accumulate(np.take_along_axis(score, order, -1), axis=-1)
    widths = np.diff(budget, axis=-1, append=np.full((*budget.shape[:-1], 1), np.log2(reference[0])))
    return (widths * np.maximum(best - reference[1], 0)).sum(axis=-1)
