"""Tests and intervals for a value whose variance has two parts with degrees of freedom of their own.

    value = true value + sqrt(V_seeds) T(df_seeds) + sqrt(V_groups) T(df_groups)

Where both parts have at least five degrees of freedom, Satterthwaite's t applies: ``V = V_seeds + V_groups`` with
``V^2 / (V_seeds^2 / df_seeds + V_groups^2 / df_groups)`` degrees of freedom. With fewer, it calls too much; there the
Behrens-Fisher distribution is used, the sum of two independent t variables as they stand:

    p = 2 ∫ P(sqrt(V_groups) T(df_groups) > |value| - sqrt(V_seeds) t(u)) du

The integral is a trapezoid in logit u of 133 nodes, right to four digits.

References: Satterthwaite 1946; Behrens 1929; Fisher 1935; Kim and Cohen 1998, "On the Behrens-Fisher problem".
"""

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
    """

    def __init__(self, seeds: ArrayLike, seeds_freedom: ArrayLike, groups: ArrayLike, groups_freedom: ArrayLike):
        parts = (seeds, seeds_freedom, groups, groups_freedom)
        self.seeds, self.seeds_freedom, self.groups, self.groups_freedom = np.broadcast_arrays(
            *(np.asarray(part, float) for part in parts)
        )

    def p_value(self, value: ArrayLike) -> np.ndarray:
        """Two-sided p of "the true value is zero"; 1 at zero, and 0 elsewhere where both variances are 0."""
        distance = np.abs(np.broadcast_to(np.asarray(value, float), self.seeds.shape))
        enough = np.minimum(self.seeds_freedom, self.groups_freedom) >= LEAST_FREEDOM - 1e-9
        one_part = (self.seeds == 0) | (self.groups == 0)
        p = np.where(enough | one_part, self._satterthwaite(distance), self._behrens_fisher(distance))
        return np.where(distance == 0, 1.0, p)

    def half_width(self, level: float) -> np.ndarray:
        """Half width of the interval that leaves out ``level``: the distance at which p equals it."""
        high = np.sqrt(
            special.stdtrit(self.seeds_freedom, 1 - level / 2) ** 2 * self.seeds
            + special.stdtrit(self.groups_freedom, 1 - level / 2) ** 2 * self.groups
        )
        low, high = np.zeros_like(high), 2 * high
        for _ in range(50):
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

    def _behrens_fisher(self, distance: np.ndarray) -> np.ndarray:
        p = np.zeros(distance.shape)
        with np.errstate(divide='ignore', invalid='ignore'):
            for logit, u, weight in zip(_LOGITS, _U, _WEIGHTS):
                quantile = -np.sign(logit) * special.stdtrit(self.seeds_freedom, min(u, 1 - u))
                reach = (np.sqrt(self.seeds) * quantile - distance) / np.sqrt(self.groups)
                p += weight * special.stdtr(self.groups_freedom, reach)
        return np.minimum(2 * p, 1.0)
