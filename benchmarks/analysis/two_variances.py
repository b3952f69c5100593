"""Tests and intervals for a value whose variance has two parts with degrees of freedom of their own.

    value = true value + sqrt(V_seeds) T(df_seeds) + sqrt(V_groups) T(df_groups)

The Behrens-Fisher distribution is that of the sum of two independent t variables as they stand:

    p = 2 ∫ P(sqrt(V_groups) T(df_groups) > |value| - sqrt(V_seeds) t(u)) du

The integral is a trapezoid in logit u of 133 nodes, right to four digits. Where both parts have at least five degrees
of freedom, and each is a sum of many small effects of either sign, Satterthwaite's t is sharper and calls no more:
``V = V_seeds + V_groups`` with ``V^2 / (V_seeds^2 / df_seeds + V_groups^2 / df_groups)`` degrees of freedom. A caller
says where it may be used: with fewer degrees of freedom, or skewed seed effects, it calls too much.

References: Satterthwaite 1946; Behrens 1929; Fisher 1935; Kim and Cohen 1998, "On the Behrens-Fisher problem".
"""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

LEAST_FREEDOM = 5.0
_LOGITS = np.linspace(-22, 22, 133)
_U = special.expit(_LOGITS)
_WEIGHTS = _U * (1 - _U) * (_LOGITS[1] - _LOGITS[0])


class TwoVariances:
    """The distribution of an error with two parts, arrays of one shape.

    Args:
        seeds: Variance due to seeds; 0 for "these checkpoints".
        seeds_freedom: Its degrees of freedom.
        groups: Variance due to image groups.
        groups_freedom: Its degrees of freedom.
        satterthwaite: Whether Satterthwaite's t is used where both parts have at least five degrees of freedom.
    """

    def __init__(
        self,
        seeds: ArrayLike,
        seeds_freedom: ArrayLike,
        groups: ArrayLike,
        groups_freedom: ArrayLike,
        *,
        satterthwaite: bool = True,
    ) -> None:
        self._unique_freedom = np.asarray(seeds_freedom, float)  # often one for a whole grid
        parts = (seeds, seeds_freedom, groups, groups_freedom)
        self.seeds, self.seeds_freedom, self.groups, self.groups_freedom = np.broadcast_arrays(
            *(np.asarray(part, float) for part in parts)
        )
        enough = np.minimum(self.seeds_freedom, self.groups_freedom) >= LEAST_FREEDOM - 1e-9
        one_part = (self.seeds == 0) | (self.groups == 0)  # then both are the t test of that part
        self._one_t = one_part | (enough if satterthwaite else False)

    def p_value(self, value: ArrayLike) -> np.ndarray:
        """Two-sided p of "the true value is zero"; 1 at zero, and 0 elsewhere where both variances are 0."""
        distance = np.abs(np.broadcast_to(np.asarray(value, float), self.seeds.shape))
        p = self._satterthwaite(distance)
        if not self._one_t.all():
            p = np.where(self._one_t, p, self._behrens_fisher(distance))
        return np.where(distance == 0, 1.0, p)

    def half_width(self, level: float) -> np.ndarray:
        """Half width of the interval that leaves out ``level``: the distance at which p equals it."""
        high = np.sqrt(
            special.stdtrit(self.seeds_freedom, 1 - level / 2) ** 2 * self.seeds
            + special.stdtrit(self.groups_freedom, 1 - level / 2) ** 2 * self.groups
        )
        low, high = np.zeros_like(high), 2 * high
        for _ in range(45):
            middle = (low + high) / 2
            outside = self.p_value(middle) > level
            low, high = np.where(outside, middle, low), np.where(outside, high, middle)
        return np.where(np.isnan(self.seeds + self.groups), np.nan, (low + high) / 2)

    def _satterthwaite(self, distance: np.ndarray) -> np.ndarray:
        total = self.seeds + self.groups
        with np.errstate(divide='ignore', invalid='ignore'):
            freedom = total**2 / (self.seeds**2 / self.seeds_freedom + self.groups**2 / self.groups_freedom)
            p = 2 * special.stdtr(freedom, -distance / np.sqrt(total))
        return np.where(total == 0, np.where(distance == 0, 1.0, 0.0), p)

    @cached_property
    def _errors_of_seeds(self) -> np.ndarray:
        """sqrt(V_seeds) t(u) at the nodes, (133, …)."""
        nodes = (len(_U), *(1,) * self.seeds.ndim)
        quantiles = special.stdtrit(self._unique_freedom, np.minimum(_U, 1 - _U).reshape(nodes))
        return -np.sign(_LOGITS).reshape(nodes) * quantiles * np.sqrt(self.seeds)

    def _behrens_fisher(self, distance: np.ndarray) -> np.ndarray:
        with np.errstate(divide='ignore', invalid='ignore'):
            reach = (self._errors_of_seeds - distance) / np.sqrt(self.groups)
            return np.minimum(2 * np.tensordot(_WEIGHTS, special.stdtr(self.groups_freedom, reach), axes=1), 1.0)
