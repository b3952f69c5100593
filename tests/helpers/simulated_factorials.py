"""Rates of false calls and coverage of main effects and interactions, over simulated factorials of three techniques.

``python tests/helpers/simulated_factorials.py 1000`` prints the table of tests/benchmarks/analysis/test_lenders.py.
"""
# R repetitions of a factorial, T = 8 teams, M = 6 contrasts, S seeds, G groups

import sys
from itertools import combinations

import numpy as np
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING, Grids, World, draw, first_seeds

from benchmarks.analysis.moderation import drawn, own, prior_of_trainings
from benchmarks.analysis.resampling import Estimate, estimate, half_width
from benchmarks.analysis.spending import Look
from benchmarks.analysis.stacking import column
from benchmarks.analysis.two_variances import TwoVariances

PLAYERS = 'abc'
TEAMS = [frozenset(team) for n in range(4) for team in combinations(PLAYERS, n)]
LOOKS = tuple(range(2, 11))
CONTRASTS = [(name,) for name in PLAYERS] + list(combinations(PLAYERS, 2))


def judged(grids: Grids, tops: Grids | None = None) -> tuple[Estimate, TwoVariances]:
    """The six contrasts of full factorials, (R, M), by themselves, and the distribution of their errors by the harness.

    Args:
        grids: Scores of the eight teams.
        tops: Scores by seed and by group that a view adds in each of them: then ``a`` is that view, and four trainings
            are left.
    """
    order = {team: index for index, team in enumerate(TEAMS)}
    weights = np.zeros((len(CONTRASTS), len(TEAMS)))
    for row, effect in enumerate(CONTRASTS):
        for team, weight in column(TEAMS, *effect).items():
            weights[row, order[team]] = weight
    by_seed, by_group = grids.by_seed, grids.by_group
    place = np.arange(len(TEAMS))
    if tops is not None:
        place = np.array([order[team - {'a'}] for team in TEAMS])
        viewed = np.array(['a' in team for team in TEAMS])[:, None]
        by_seed, by_group = (
            of[:, place] + viewed * top for of, top in ((by_seed, tops.by_seed), (by_group, tops.by_group))
        )
    sums, groups = np.einsum('mt,rts->rms', weights, by_seed), np.einsum('mt,rtg->rmg', weights, by_group)
    without = (groups.sum(axis=-1, keepdims=True) - groups) / (groups.shape[-1] - 1)
    est = estimate(sums, without[..., None, :], np.full_like(without, 10.0))
    net = np.zeros((len(CONTRASTS), len(TEAMS)))
    np.add.at(net.T, place, weights.T)
    trained = np.unique(place)
    prior = prior_of_trainings(grids.by_seed[:, trained])
    variances, n_seeds = sums.var(axis=-1, ddof=1), sums.shape[-1]
    moderated = drawn(variances, prior.of(net[:, trained] ** 2), prior.weight, n_seeds)
    by_trainings = (np.abs(net) > 1e-9).any(axis=1)
    variance = np.where(by_trainings, moderated.variance, own(variances, n_seeds).variance)
    freedom = np.where(by_trainings, moderated.degrees_of_freedom, n_seeds - 1)
    error = TwoVariances(variance, freedom, est.variance_groups, est.effective_groups - 1, satterthwaite=False)
    return est, error


def rates(world: World, n_seeds: int, repetitions: int, seed: int, view: World | None = None) -> dict[str, float]:
    """Rates in percent, own ones beside those of the harness, and the median half width over the own one.

    ``view`` makes the first technique a view of that world: it shares the training of what it stands on.
    """
    rng = np.random.default_rng(seed)
    grids = draw(world, rng, repetitions, len(TEAMS), n_seeds, 8)
    tops = None if view is None else draw(view, rng, repetitions, len(TEAMS), n_seeds, 8)
    est, error = judged(grids, tops)
    p, own_wide = error.p_value(est.value), half_width(est, 0.05)
    parts = (error.seeds, error.seeds_freedom, error.groups, error.groups_freedom)
    few = TwoVariances(*(part[:40] for part in parts), satterthwaite=False)
    return dict(
        family=100 * float((p < 0.05 / len(CONTRASTS)).any(axis=1).mean()),
        coverage=100 * float((p >= 0.05).mean(axis=0).min()),
        own_family=100 * float((np.abs(est.value) > half_width(est, 0.05 / len(CONTRASTS))).any(axis=1).mean()),
        own_coverage=100 * float((np.abs(est.value) <= own_wide).mean(axis=0).min()),
        width=float(np.median(few.half_width(0.05) / own_wide[:40])),
    )


def misses_over_looks(world: World, repetitions: int, seed: int) -> dict[str, float]:
    """The part of the effects, in percent, that an interval of some look with 3 to 10 seeds does not hold.

    Of intervals that leave out 5 % at each look (``naive``), and of those of the harness (``at_look``). Whatever stops
    a grid, no more effects are missed at its last look.
    """
    grids = draw(world, np.random.default_rng(seed), repetitions, len(TEAMS), LOOKS[-1], 8)
    missed = {name: np.zeros((repetitions, len(CONTRASTS)), bool) for name in ('naive', 'at_look')}
    for index, number in enumerate(LOOKS[1:], 1):
        est, error = judged(first_seeds(grids, number))
        far = np.abs(est.value) > 1.5 * np.sqrt(error.seeds + error.groups)  # all others have a p above 0.1
        p = np.ones(far.shape)
        parts = (error.seeds, error.seeds_freedom, error.groups, error.groups_freedom)
        p[far] = TwoVariances(*(part[far] for part in parts), satterthwaite=False).p_value(est.value[far])
        missed['naive'] |= p < 0.05
        missed['at_look'] |= p < Look(LOOKS, index).level
    return {name: 100 * float(of.mean()) for name, of in missed.items()}


def print_rates(repetitions: int) -> None:
    """The rates of all worlds."""
    for name, world in DIFFERENT_TRAININGS.items():
        print('looks', name, misses_over_looks(world, repetitions, 26))
    for n_seeds in (3, 5, 10):
        for name, world in DIFFERENT_TRAININGS.items():
            print(n_seeds, name, {key: round(of, 2) for key, of in rates(world, n_seeds, repetitions, 21).items()})
        for name, view in SHARED_TRAINING.items():
            found = rates(DIFFERENT_TRAININGS['records'], n_seeds, repetitions, 22, view)
            print(n_seeds, 'view', name, {key: round(of, 2) for key, of in found.items()})


if __name__ == '__main__':
    print_rates(int(sys.argv[1]))
