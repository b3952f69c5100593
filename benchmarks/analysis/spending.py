"""Levels for looking at a comparison more than once while seeds are added.

A test at 5 % after each seed calls a difference that is none in up to 20 % of grids. Error spending keeps all looks
together at ``alpha``: by the look at S of S_max seeds, ``alpha (S / S_max)^2`` is spent. The nominal level of a look is
the one at which a Brownian motion, observed at the times S / S_max, has left its bounds for the first time with just
the probability that this look may spend. The looks of a grid have their test images in common, and so depend on each
other more than a Brownian motion's do: the levels err on the safe side.

References: Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials"; Armitage, McPherson and Rowe 1969
(the recursion); Jennison and Turnbull 1989, "Interim analyses: the repeated confidence interval approach"; Ye, Li, Liu
and Yao 2013, "A group sequential Holm procedure".
"""
# K looks

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from scipy import optimize, special
from scipy.interpolate import PchipInterpolator

from benchmarks.analysis.more_seeds import SIGNIFICANCE

_NODES = 601  # right to one part in ten thousand
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
        levels.append(float(2 * special.ndtr(-bound / np.sqrt(time))))
        inside = np.linspace(-bound, bound, _NODES)
        density, grid = _moved(inside, density, grid, step), inside
    return tuple(levels)


def _excess(bound: float, density: np.ndarray | None, grid: np.ndarray | None, step: float, budget: float) -> float:
    """Probability, less the budget, that the motion lies beyond ``bound`` after a step and lay within all before."""
    sd = np.sqrt(step)
    if density is None or grid is None:
        return float(2 * special.ndtr(-bound / sd)) - budget
    beyond = special.ndtr((grid - bound) / sd) + special.ndtr((-bound - grid) / sd)
    return float(np.trapezoid(density * beyond, grid)) - budget


def _moved(points: np.ndarray, density: np.ndarray | None, grid: np.ndarray | None, step: float) -> np.ndarray:
    """Density after a step, on ``points``, of the motions that were within all bounds before."""
    if density is None or grid is None:
        return _normal(points, step)
    weights = np.full(len(grid), grid[1] - grid[0])  # of the trapezoidal rule
    weights[[0, -1]] /= 2
    return _normal(points[:, None] - grid, step) @ (density * weights)


def _normal(distance: np.ndarray, variance: float) -> np.ndarray:
    """Density of a normal distribution."""
    return np.exp(-(distance**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def repeated_p(p: float, look: int, looks: tuple[int, ...]) -> float:
    """The error of all looks together, at least, for which this look's p would be significant; at most 1.

    It is a p value whenever one stops: under no true difference it falls below a level at any look with at most the
    probability of that level (Jennison and Turnbull's repeated p value).

    Args:
        p: The p value at the look; NaN stays NaN.
        look: The index of the look.
        looks: As in :func:`nominal_levels`. With a single one p itself is returned.
    """
    if len(looks) == 1 or np.isnan(p) or p >= 1:
        return p
    errors, levels = _table(looks)
    # Beyond the table a ratio stays as it is at its end; there a p is as good as 0.
    if p <= levels[0, look]:
        return float(errors[0] * p / levels[0, look])
    if p >= levels[-1, look]:
        return 1.0
    inverse = PchipInterpolator(np.log(levels[:, look]), np.log(errors))
    return float(np.exp(inverse(np.log(p))))


@lru_cache(maxsize=32)
def _table(looks: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Errors of all looks together, and the level of each look for each error, (A,) and (A, K)."""
    errors = np.concatenate([np.geomspace(1e-9, 0.1, 18), [0.2, 0.35, 0.5, 0.7, 0.85, 0.95, 0.999]])
    return errors, np.array([nominal_levels(float(error), looks) for error in errors])


class Look(NamedTuple):
    """The look at which an estimate is judged; the default is the only look of a design of fixed seeds.

    Attributes:
        looks: The numbers of seeds at which it may be looked at, rising.
        place: The place of this look among them, from 0.
    """

    looks: tuple[int, ...] = (1,)
    place: int = 0

    @property
    def level(self) -> float:
        """What its interval leaves out, so that those of all looks together cover with 95 %."""
        return SIGNIFICANCE if len(self.looks) == 1 else nominal_levels(SIGNIFICANCE, self.looks)[self.place]

    def repeated(self, p: float) -> float:
        """The repeated p value of a two-sided test."""
        return repeated_p(p, self.place, self.looks)

    def repeated_one_sided(self, p: float) -> float:
        """That of a one-sided test: an error of 5 % on one side is one of 10 % on both."""
        return self.repeated(2 * p) / 2 if p < 0.5 else p  # NaN stays NaN


def holm_over_looks(
    repeated: Sequence[Sequence[float]], alpha: float = 0.05, tested: Sequence[bool] | None = None
) -> tuple[list[int | None], list[float]]:
    """At which look each of M comparisons is settled, by Holm's procedure over the looks of a sequential design.

    A comparison is settled at the first look at which its repeated p, times the number of comparisons that are not
    settled yet, is below ``alpha``. Each settled one lightens the task of the others, at the same look.

    Args:
        repeated: K looks × M repeated p values; NaN for a test that was not made.
        alpha: Chance of a false call or more in the family.
        tested: For each comparison whether it may be tested at any look; one that may not does not count. By default
            all count.

    Returns:
        tuple: For each comparison the index of its look, or None; and its corrected p at that look, or else at the last
        one at which it was tested: below ``alpha`` just where it is settled. NaN where it was never tested.
    """
    count = len(repeated[0]) if repeated else 0
    settled: list[int | None] = [None] * count
    result = [float('nan')] * count
    left = count if tested is None else sum(tested)
    for look, row in enumerate(repeated):
        new = sorted((p, index) for index, p in enumerate(row) if settled[index] is None and not np.isnan(p))
        before, still = 0.0, left
        for p, index in new:  # Holm's corrected p values
            before = result[index] = max(before, min(1.0, float(p) * still))
            still -= 1
            if before < alpha:
                settled[index], left = look, left - 1
    return settled, result
