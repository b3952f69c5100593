"""Rates of false calls, coverage and power of the difference of trainings, over simulated grids.

``python tests/helpers/simulated_verdicts.py 800`` prints the tables of tests/benchmarks/analysis/test_moderation.py.
"""
# R repetitions of a grid, T trainings (the first is the reference), M = T - 1 comparisons, S seeds, G groups

import sys
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import special
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING, Grids, World, draw, without_reference

from benchmarks.analysis.moderation import MoreSeeds, between_trainings, within_trainings
from benchmarks.analysis.resampling import Estimate, estimate, half_width
from benchmarks.analysis.two_variances import TwoVariances

LEVEL = 0.05
OWN, MODERATED, ORACLE = 'own', 'moderated', 'oracle'  # the oracle knows the variances


@dataclass
class Judged:
    """Differences to the first training, each by the method of small grids and by the moderated one.

    Args:
        own: The estimates, (R, M), each by itself.
        error: The distribution of the error with moderated variances; None where nothing is borrowed.
        oracle_sd: The true standard deviation of the error, (R, M).
        satterthwaite: Whether the moderated variances add as Satterthwaite has it where they may.
        known: p values by method, (R, M), computed once.
    """

    own: Estimate
    error: TwoVariances | None
    oracle_sd: np.ndarray
    satterthwaite: bool = True
    known: dict[str, np.ndarray] = field(default_factory=dict)

    def outside(self, level: float | np.ndarray, by: str = MODERATED) -> np.ndarray:
        """Whether 0 lies outside the interval that leaves out ``level``, (R, M)."""
        if by == OWN or by == MODERATED and self.error is None:
            return np.abs(self.own.value) > half_width(self.own, level)
        return self._p_values(by) < level

    def _p_values(self, by: str) -> np.ndarray:
        if by not in self.known:
            z = np.abs(self.own.value) / self.oracle_sd
            self.known[by] = 2 * special.ndtr(-z) if by == ORACLE else self._p_of_error()
        return self.known[by]

    def _p_of_error(self) -> np.ndarray:
        """p by the moderated variances; 1 within 1.5 standard errors, where it is above 0.1 and calls nothing."""
        error, value = self.error, self.own.value
        far = np.abs(value) >= 1.5 * np.sqrt(error.seeds + error.groups)
        parts = (error.seeds, error.seeds_freedom, error.groups, error.groups_freedom)
        p = np.ones(value.shape)
        p[far] = TwoVariances(*(part[far] for part in parts), satterthwaite=self.satterthwaite).p_value(value[far])
        return p

    def called(self, by: str) -> np.ndarray:
        """The calls by Holm's procedure at 5 %, (R, M)."""
        calls = np.zeros(self.own.value.shape, bool)
        while True:
            left = np.maximum(calls.shape[1] - calls.sum(axis=1, keepdims=True), 1)
            more = calls | self.outside(LEVEL / left, by=by)
            if (more == calls).all():
                return calls
            calls = more


def judge(grids: Grids, *, one_training: bool, satterthwaite: bool | None = None) -> Judged:
    """Estimate the differences of grids as the harness does; ``satterthwaite`` overrules where it uses that."""
    deltas = grids.by_seed[:, 1:] - grids.by_seed[:, :1]
    by_group = (grids.by_group[:, 1:] - grids.by_group[:, :1])[..., None, :]
    sizes = grids.sizes[:, None, None, :]
    total = sizes.sum(axis=-1, keepdims=True)
    full = (sizes * by_group).sum(axis=-1, keepdims=True) / total
    without = (full * total - sizes * by_group) / (total - sizes)
    est = estimate(deltas, without, np.broadcast_to(sizes[..., 0, :], without[..., 0, :].shape))
    error = grids.error[:, 1:] if one_training else grids.error[:, 1:] + grids.error[:, :1]
    oracle_sd = np.sqrt(error)
    variances, (n_comparisons, n_seeds) = deltas.var(axis=-1, ddof=1), deltas.shape[1:]
    if one_training:
        lent = within_trainings(est.value, variances, n_seeds)
    else:
        stacks = np.arange(1, n_comparisons + 1)
        lent = between_trainings(grids.by_seed, stacks, np.zeros(n_comparisons, int), variances, more_seeds(grids))
    if not lent.borrowed:
        return Judged(est, None, oracle_sd)
    freedom = np.maximum(est.effective_groups - 1, 1)
    parts = (lent.variance, lent.degrees_of_freedom, est.variance_groups, freedom)
    by_satterthwaite = not one_training if satterthwaite is None else satterthwaite
    return Judged(est, TwoVariances(*parts, satterthwaite=by_satterthwaite), oracle_sd, by_satterthwaite)


class Rates(NamedTuple):
    """Rates over grids without any true difference, in percent.

    Args:
        family: Grids with one false call or more, by Holm's procedure at 5 %.
        coverage: Differences whose 95 % interval holds the truth.
    """

    family: float
    coverage: float


def more_seeds(grids: Grids) -> MoreSeeds | None:
    """What the reference shows in all of its seeds; None where it has no further ones."""
    if not grids.further.shape[1]:
        return None
    freedom = np.zeros(grids.by_seed.shape[1])
    freedom[0] = grids.by_seed.shape[2] + grids.further.shape[1] - 1
    variance = np.zeros(grids.by_seed.shape[:2])
    variance[:, 0] = np.concatenate([grids.by_seed[:, 0], grids.further], axis=1).var(axis=1, ddof=1)
    return MoreSeeds(variance, freedom)


def rates(
    world: World,
    seed: int,
    repetitions: int,
    rows: int,
    n_seeds: int,
    n_groups: int,
    *,
    shared: bool,
    of_reference: int | None = None,
) -> dict[str, Rates]:
    """Rates of the moderated method (``moderated``) and of each difference by itself (``own``).

    ``of_reference`` is the number of the reference's seeds, if it has more than the others.
    """
    rng = np.random.default_rng(seed)
    grids = draw(world, rng, repetitions, rows + 1, n_seeds, n_groups, further=max((of_reference or 0) - n_seeds, 0))
    judged = judge(without_reference(grids) if shared else grids, one_training=shared)
    found = {}
    for name in (OWN, MODERATED):
        family = judged.outside(LEVEL / rows, by=name).any(axis=1).mean()
        covered = 1 - judged.outside(LEVEL, by=name).mean()
        found[name] = Rates(100 * float(family), 100 * float(covered))
    return found


EFFECTS = (0.5, 1.0, 2.0, 5.0, 20.0)
# Large effects vary more, over seeds and over groups: per point of effect, as in the committed grids.
EFFECT_SD = 0.1


def power(seed: int, repetitions: int, rows: int, n_seeds: int, n_groups: int) -> dict[str, dict[float, float]]:
    """The part of the planted effects of each size that is called with the right sign, by method.

    Half of the rows differ from the reference, by effects of all sizes and both signs; the world is ``records``.
    """
    effects = np.zeros(rows + 1)
    signed = [sign * effect for effect in EFFECTS for sign in (1, -1)]
    effects[1 : rows // 2 + 1] = np.resize(signed, rows // 2)
    rng = np.random.default_rng(seed)
    world = DIFFERENT_TRAININGS['records']
    judged = judge(draw(world, rng, repetitions, rows + 1, n_seeds, n_groups, effects, EFFECT_SD), one_training=False)
    truth, found = effects[1:], {}
    for name in (OWN, MODERATED, ORACLE):
        right = judged.called(name) & (np.sign(judged.own.value) == np.sign(truth))
        found[name] = {effect: float(right[:, np.abs(truth) == effect].mean()) for effect in EFFECTS}
    return found


def print_rates(repetitions: int, settings: list[tuple[bool, int, int, int]]) -> None:
    """The rates of all worlds for (shared, seeds, groups, rows)."""
    for shared, n_seeds, n_groups, rows in settings:
        worlds = SHARED_TRAINING if shared else DIFFERENT_TRAININGS
        print(f'shared={shared} S={n_seeds} G={n_groups} rows={rows}: family-wise error, coverage; own -> moderated')
        for name, world in worlds.items():
            found = rates(world, 17, repetitions, rows, n_seeds, n_groups, shared=shared)
            one, other = found['own'], found['moderated']
            print(
                f'  {name:22s} {one.family:5.1f} -> {other.family:5.1f}   {one.coverage:5.1f} -> {other.coverage:5.1f}',
                flush=True,
            )


def print_power(repetitions: int, settings: list[tuple[int, int, int]]) -> None:
    """The power for (seeds, groups, rows), in percent."""
    for n_seeds, n_groups, rows in settings:
        found = power(18, repetitions, rows, n_seeds, n_groups)
        shown = {name: '/'.join(f'{100 * part:.0f}' for part in of.values()) for name, of in found.items()}
        print(f'S={n_seeds} G={n_groups} rows={rows}: {EFFECTS} points: {shown}', flush=True)


if __name__ == '__main__':
    number, ways = int(sys.argv[1]), (2, 3, 5, 10)
    print_power(number, [(n_seeds, 8, rows) for rows in (20, 73) for n_seeds in ways])
    for shared in (False, True):
        print_rates(number, [(shared, n_seeds, 8, rows) for rows in (3, 6, 20, 73) for n_seeds in ways])
        print_rates(number, [(shared, *size) for size in product(ways, (20, 60), (3, 6, 20, 73))])
