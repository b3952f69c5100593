"""Corrections for many comparisons: which are asked first, and how the p values of each family are corrected.

Comparisons are *primary* or *exploratory*. The primary ones answer the question that was asked before the run: with
Holm's correction the chance of one false call or more among them is at most 5 %. The exploratory ones are what else
the grid shows: with Benjamini and Hochberg's correction about 5 % of the calls among them are false. A pair of stacks
counts once, however many designs compare it, and has one corrected p.

References: Holm 1979; Benjamini and Hochberg 1995.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from benchmarks.analysis.families import Pair


def corrected(p_values: Mapping[Pair, float], primary: Collection[Pair]) -> dict[Pair, float]:
    """The corrected p of each pair: Holm's among the primary ones, Benjamini and Hochberg's among all others.

    Args:
        p_values: NaN for a test that was not made: it stays NaN and does not count.
        primary: The primary pairs.
    """
    result: dict[Pair, float] = {}
    for correct, family in (
        (holm, [pair for pair in p_values if pair in primary]),
        (benjamini_hochberg, [pair for pair in p_values if pair not in primary]),
    ):
        result |= zip(family, map(float, correct([p_values[pair] for pair in family])))
    return result


def tests_made(p_values: Mapping[Pair, float], family: Collection[Pair]) -> int:
    """How many pairs of a family were tested."""
    return sum(pair in family and not np.isnan(p) for pair, p in p_values.items())


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: the k-th smallest of m times (m - k + 1), made monotone, at most 1.

    Args:
        p_values: (m,), NaN for a test that was not made: it stays NaN and does not count.

    Returns:
        np.ndarray: Corrected p values (m,).

    Example:
        >>> holm([0.01, 0.5, float('nan'), 0.02]).tolist()
        [0.03, 0.5, nan, 0.04]
    """
    raw, order = _ordered(p_values)
    factors = np.arange(len(order), 0, -1)
    return _placed(np.maximum.accumulate(factors * raw[order]), order, raw.shape)


def benjamini_hochberg(p_values: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg's step-up correction: the k-th smallest of m times m / k, made monotone, at most 1.

    Args:
        p_values: (m,), NaN for a test that was not made: it stays NaN and does not count.

    Returns:
        np.ndarray: Corrected p values (m,); of those below a level, about this part is false.

    Example:
        >>> benjamini_hochberg([0.01, 0.5, float('nan'), 0.02]).tolist()
        [0.03, 0.5, nan, 0.03]
    """
    raw, order = _ordered(p_values)
    factors = len(order) / np.arange(1, len(order) + 1)
    return _placed(np.minimum.accumulate((factors * raw[order])[::-1])[::-1], order, raw.shape)


def _ordered(p_values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The p values as an array, and the indices of those that are defined, from the smallest up."""
    raw = np.asarray(p_values, float)
    tested = np.flatnonzero(~np.isnan(raw))
    return raw, tested[np.argsort(raw[tested], kind='stable')]


def _placed(in_order: np.ndarray, order: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    result = np.full(shape, np.nan)
    result[order] = np.minimum(1.0, in_order)
    return result
