"""Levels for looking at a comparison more than once while seeds are added.

A test at 5 % after each seed calls a difference that is none in up to 20 % of grids. Error spending keeps all looks
together at ``alpha``: by the look at S of S_max seeds, ``alpha (S / S_max)^2`` is spent. The nominal level of a look is
the one at which a Brownian motion, observed at the times S / S_max, has left its bounds for the first time with just
the probability that this look may spend. The looks of a grid have their test images in common, and so depend on each
other more than a Brownian motion's do: the levels err on the safe side.

References: Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials"; Armitage, McPherson and Rowe 1969
(the recursion); Ye, Li, Liu and Yao 2013, "A group sequential Holm procedure".
"""
# K looks

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
from scipy import optimize, stats

_NODES = 1201
_REACH = 8.0  # standard deviations


def spent(alpha: float, fraction: float) -> float:
    """The share of ``alpha`` that may be spent by a fraction of all seeds: ``alpha fraction^2``."""
    return alpha * fraction**2


@lru_cache(maxsize=4096)
def nominal_levels(alpha: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """Two-sided level of the p value at each look, (K,).

    Args:
        alpha: The error of all looks together, above 0 and below 1.
        looks: The numbers of seeds at which is looked, rising; the last one spends what is left.
    """
    times = np.array(looks, float) / looks[-1]
    if not 0 < alpha < 1 or times[0] <= 0 or (np.diff(times) <= 0).any():
        raise ValueError(f'nominal_levels needs 0 < alpha < 1 and rising looks, not alpha={alpha} and looks={looks}')
    budget = np.diff([0.0, *(spent(alpha, time) for time in times)])
    levels, density, grid = [], None, None
    for look, time in enumerate(times):
        step = time - (times[look - 1] if look else 0.0)
        excess = partial(_excess, density=density, grid=grid, step=step, budget=budget[look])
        bound = optimize.brentq(excess, 1e-6, _REACH * np.sqrt(time))
        levels.append(float(2 * stats.norm.sf(bound / np.sqrt(time))))
        inside = np.linspace(-bound, bound, _NODES)
        density, grid = _moved(inside, density, grid, step), inside
    return tuple(levels)


def _excess(bound: float, density: np.ndarray | None, grid: np.ndarray | None, step: float, budget: float) -> float:
    """Probability, less the budget, that the motion lies beyond ``bound`` after a step and lay within all before."""
    sd = np.sqrt(step)
    if density is None or grid is None:
        return float(2 * stats.norm.sf(bound / sd)) - budget
    beyond = stats.norm.sf((bound - grid) / sd) + stats.norm.cdf((-bound - grid) / sd)
    return float(np.trapezoid(density * beyond, grid)) - budget


def _moved(points: np.ndarray, density: np.ndarray | None, grid: np.ndarray | None, step: float) -> np.ndarray:
    """Density after a step, on ``points``, of the motions that were within all bounds before."""
    sd = np.sqrt(step)
    if density is None or grid is None:
        return stats.norm.pdf(points, scale=sd)
    return np.trapezoid(density * stats.norm.pdf(points[:, None] - grid, scale=sd), grid, axis=1)


def sequential_holm(
    p_by_look: Sequence[Sequence[float]], looks: Sequence[int], alpha: float = 0.05
) -> list[int | None]:
    """At which look each of M comparisons is settled, by Holm's procedure with error spending.

    A comparison is settled at a look at which its p is at most the nominal level of ``alpha / (M - r)``, with r
    comparisons settled before; each settled one raises the level of the others, at the same look.

    Args:
        p_by_look: K looks × M comparisons; NaN is never settled, and counts in M all the same.
        looks: The planned numbers of seeds, at least K; looks that have not been taken are at the end.
        alpha: Chance of a false call or more in the family.

    Returns:
        list: For each comparison the index of its look, or None.
    """
    count = len(p_by_look[0]) if p_by_look else 0
    settled: list[int | None] = [None] * count
    for look, p_values in enumerate(p_by_look):
        while True:
            left = sum(at is None for at in settled)
            if not left:
                return settled
            level = nominal_levels(alpha / left, tuple(looks))[look]
            new = [index for index, p in enumerate(p_values) if settled[index] is None and p <= level]
            if not new:
                break
            settled[new[0]] = look
    return settled
