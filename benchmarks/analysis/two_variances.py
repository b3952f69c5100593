"""Tests and intervals for a value whose variance has two parts with degrees of freedom of their own.

    value = true value + sqrt(V_seeds) T(df_seeds) + sqrt(V_groups) T(df_groups)

The Behrens-Fisher distribution is that of the sum of two independent t variables as they stand:

    p = 2 ∫ P(sqrt(V_groups) T(df_groups) > |value| - sqrt(V_seeds) t(u)) du

or the same with both parts exchanged. The integral is a trapezoid in logit u of 133 nodes. Over the part that reaches
``|value|`` the less often it is right to 1 % of p (4 % where a part has a single degree of freedom); over the other one
it may be wrong by a sixth. Where both parts have at least five degrees of freedom, and each is a sum of many small
effects of either sign, Satterthwaite's t is sharper and calls no more: ``V = V_seeds + V_groups`` with ``V^2 /
(V_seeds^2 / df_seeds + V_groups^2 / df_groups)`` degrees of freedom. A caller says where it may be used: with fewer
degrees of freedom, or skewed seed effects, it calls too much.

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
            p = np.where(self._one_t, p, self._behrens_fisher(distance, ~self._one_t))
        return np.where(distance == 0, 1.0, p)

    def half_width(self, level: float | np.ndarray) -> np.ndarray:
        """Half width of the interval that leaves out ``level``: the distance at which p equals it."""
        of_seeds = special.stdtrit(self.seeds_freedom, 1 - level / 2) * np.sqrt(self.seeds)
        of_groups = special.stdtrit(self.groups_freedom, 1 - level / 2) * np.sqrt(self.groups)
        # Nearly always the width lies between the larger part and the root of the sum of squares.
        half = self._root(0.9 * np.maximum(of_seeds, of_groups), 1.01 * np.hypot(of_seeds, of_groups), level)
        return np.where(np.isnan(self.seeds + self.groups), np.nan, half)

    def _root(self, low: np.ndarray, high: np.ndarray, level: float | np.ndarray) -> np.ndarray:
        """The distance at which p is ``level``, between two ends, by the Illinois method on the logarithm of p."""

        def above(distance: np.ndarray) -> np.ndarray:
            return np.log(np.maximum(self.p_value(distance), 1e-300) / level)

        at_low, at_high = above(low), above(high)
        low, at_low = np.where(at_low < 0, 0.0, low), np.where(at_low < 0, -np.log(level), at_low)
        high, at_high = (np.where(at_high > 0, 2 * high, high), above(np.where(at_high > 0, 2 * high, high)))
        middle, side = high, np.zeros_like(high)
        for _ in range(60):
            slope = at_high - at_low
            middle = np.where(slope < 0, high - at_high * (high - low) / np.where(slope < 0, slope, 1.0), high)
            at_middle = above(middle)
            if not (np.abs(at_middle) > 1e-9).any():
                break
            is_low = at_middle > 0
            # An end that stays twice counts half, or it would stay for good.
            at_high = np.where(is_low, np.where(side > 0, at_high / 2, at_high), at_middle)
            at_low = np.where(is_low, at_middle, np.where(side < 0, at_low / 2, at_low))
            low, high, side = np.where(is_low, middle, low), np.where(is_low, high, middle), np.where(is_low, 1, -1)
        return middle

    def _satterthwaite(self, distance: np.ndarray) -> np.ndarray:
        total = self.seeds + self.groups
        with np.errstate(divide='ignore', invalid='ignore'):
            freedom = total**2 / (self.seeds**2 / self.seeds_freedom + self.groups**2 / self.groups_freedom)
            p = 2 * special.stdtr(freedom, -distance / np.sqrt(total))
        return np.where(total == 0, np.where(distance == 0, 1.0, 0.0), p)

    def _behrens_fisher(self, distance: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """The integral over the part that reaches ``distance`` the less often: the other one is smooth beside it.

        It is that of the values that are ``asked``, and 0 elsewhere.
        """
        with np.errstate(divide='ignore', invalid='ignore'):
            of_seeds = special.stdtr(self.seeds_freedom, -distance / np.sqrt(self.seeds))
            of_groups = special.stdtr(self.groups_freedom, -distance / np.sqrt(self.groups))
        over_seeds = of_seeds < of_groups
        p = np.zeros(distance.shape)
        for chosen, over, rest, freedom in (
            (asked & over_seeds, '_errors_of_seeds', self.groups, self.groups_freedom),
            (asked & ~over_seeds, '_errors_of_groups', self.seeds, self.seeds_freedom),
        ):
            if chosen.any():
                with np.errstate(divide='ignore', invalid='ignore'):
                    reach = (getattr(self, over)[:, chosen] - distance[chosen]) / np.sqrt(rest[chosen])
                    p[chosen] = 2 * np.tensordot(_WEIGHTS, special.stdtr(freedom[chosen], reach), axes=1)
        return np.minimum(p, 1.0)

    @cached_property
    def _errors_of_seeds(self) -> np.ndarray:
        """sqrt(V_seeds) t(u) at the nodes, (133, …)."""
        return _errors(self.seeds, self.seeds_freedom)

    @cached_property
    def _errors_of_groups(self) -> np.ndarray:
        """sqrt(V_groups) t(u) at the nodes, (133, …)."""
        return _errors(self.groups, self.groups_freedom)


def _errors(variance: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """The root of a variance times the quantiles of t at the nodes, (133, …)."""
    freedoms, place = np.unique(freedom, return_inverse=True)  # often few for a whole grid
    quantiles = -np.sign(_LOGITS)[:, None] * special.stdtrit(freedoms, np.minimum(_U, 1 - _U)[:, None])
    return quantiles[:, place.reshape(freedom.shape)] * np.sqrt(variance)
