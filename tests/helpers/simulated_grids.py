"""Simulated grids: the scores of trainings × seeds × image groups, without any true difference unless one is planted.

    score = effect + common seed effect + training × seed + training × group + training × seed × group

in points of Dice. The components of the world ``records`` are those of this project's committed grids; the other worlds
break what a t interval assumes.
"""
# R repetitions of a grid, T trainings (the first is the reference), S seeds, G groups

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

HOMOGENEOUS = np.inf


class Grids(NamedTuple):
    """Scores of R grids.

    Args:
        by_seed: (R, T, S), means over the groups, weighted by their sizes.
        by_group: (R, T, G), means over the seeds.
        sizes: (R, G), images per group.
        further: (R, K), scores of the reference for K seeds that the others lack.
        error: (R, T), true variance of each training's mean score, without what all trainings share.
        cells: (R, T, S, G), the score of each training, seed and group.
    """

    by_seed: np.ndarray
    by_group: np.ndarray
    sizes: np.ndarray
    further: np.ndarray
    error: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True)
class World:
    """Standard deviations of the components, and how they are distributed.

    ``…_freedom`` are the degrees of freedom of the scaled inverse chi-square from which the variance of each training
    is drawn: few make the trainings unequal.
    """

    common_sd: float = 0.2
    seed_sd: float = 0.2
    seed_freedom: float = 4.0
    group_sd: float = 0.12
    group_freedom: float = 3.0
    interaction_sd: float = 0.36
    interaction_freedom: float = 6.0
    seeds: str = 'normal'
    groups: str = 'normal'
    wide: float = 0.0  # share of the trainings whose seed variance is larger
    wide_factor: float = 10.0
    reference_factor: float = 1.0  # of the reference's seed variance
    shared: float = 0.0  # correlation of the trainings' own seed and group effects: test-time changes of one training
    unequal_groups: bool = False
    unscored: float = 0.0  # share of the groups without any image that has a score; three groups have one
    largest_sd: float = np.inf


DIFFERENT_TRAININGS = dict(
    records=World(),
    homogeneous=World(seed_sd=0.26, seed_freedom=HOMOGENEOUS, group_freedom=HOMOGENEOUS, interaction_freedom=np.inf),
    heterogeneous=World(seed_sd=0.1, seed_freedom=1.0, largest_sd=5.0),
    a_fifth_tenfold=World(seed_freedom=HOMOGENEOUS, wide=0.2),
    half_tenfold=World(seed_freedom=HOMOGENEOUS, wide=0.5),
    a_fifth_hundredfold=World(seed_freedom=HOMOGENEOUS, wide=0.2, wide_factor=100.0),
    half_hundredfold=World(seed_freedom=HOMOGENEOUS, wide=0.5, wide_factor=100.0),
    reference_tenfold=World(seed_freedom=HOMOGENEOUS, reference_factor=10.0),
    reference_hundredfold=World(seed_freedom=HOMOGENEOUS, reference_factor=100.0),
    reference_a_tenth=World(seed_freedom=HOMOGENEOUS, reference_factor=0.1),
    heavy_tails=World(seed_sd=0.6, seeds='t2.5'),
    exponential_seeds=World(seed_sd=0.8, seed_freedom=HOMOGENEOUS, seeds='exponential'),
    one_in_ten_fails=World(seed_sd=0.63, seed_freedom=HOMOGENEOUS, seeds='one in ten fails'),
    one_in_three_fails=World(seed_sd=0.94, seed_freedom=HOMOGENEOUS, seeds='one in three fails'),
    bimodal_seeds=World(seed_sd=0.8, seed_freedom=HOMOGENEOUS, seeds='bimodal'),
    near_copies=World(shared=0.9),
    skewed_groups=World(group_sd=0.5, group_freedom=4.0, groups='lognormal', unequal_groups=True),
    unscored_groups=World(group_sd=0.4, unscored=0.5),
    groups_only=World(seed_sd=0.05, group_sd=0.5, group_freedom=HOMOGENEOUS, interaction_sd=0.1),
    seeds_only=World(common_sd=0.3, seed_sd=0.4, group_sd=0.0, interaction_sd=0.02, interaction_freedom=np.inf),
)
_TEST_TIME = dict(common_sd=0.0, seed_sd=0.17, seed_freedom=1.0, group_sd=0.3, group_freedom=1.0, interaction_sd=0.2)
_TEST_TIME |= dict(interaction_freedom=1.0, shared=0.5, largest_sd=5.0)
SHARED_TRAINING = dict(
    records=World(**_TEST_TIME),
    independent=World(**_TEST_TIME | dict(shared=0.0)),
    near_copies=World(**_TEST_TIME | dict(shared=0.9)),
    homogeneous=World(
        **_TEST_TIME | dict(seed_sd=0.25, seed_freedom=np.inf, group_freedom=np.inf, interaction_freedom=np.inf)
    ),
    heterogeneous=World(**_TEST_TIME | dict(seed_sd=0.08, seed_freedom=0.5)),
    a_fifth_hundredfold=World(**_TEST_TIME | dict(seed_freedom=HOMOGENEOUS, wide=0.2, wide_factor=100.0)),
    exponential_seeds=World(**_TEST_TIME | dict(seeds='exponential')),
    bimodal_seeds=World(**_TEST_TIME | dict(seed_sd=0.5, seed_freedom=4.0, seeds='bimodal')),
    unscored_groups=World(**_TEST_TIME | dict(group_sd=0.6, group_freedom=4.0, unscored=0.5)),
    one_in_ten_fails=World(**_TEST_TIME | dict(seed_sd=0.5, seed_freedom=4.0, seeds='one in ten fails')),
    one_in_three_fails=World(**_TEST_TIME | dict(seed_sd=0.8, seed_freedom=4.0, seeds='one in three fails')),
    skewed_groups=World(**_TEST_TIME | dict(group_sd=0.6, group_freedom=4.0, groups='lognormal', unequal_groups=True)),
    seeds_only=World(**_TEST_TIME | dict(group_sd=0.001, interaction_sd=0.02, interaction_freedom=np.inf)),
)


def draw(
    world: World,
    rng: np.random.Generator,
    repetitions: int,
    trainings: int,
    seeds: int,
    groups: int,
    effects: np.ndarray | None = None,
    effect_sd: float = 0.0,
    further: int = 0,
) -> Grids:
    """Draw grids of a world.

    Args:
        world: The distributions.
        rng: The source of randomness.
        repetitions: R.
        trainings: T.
        seeds: S.
        groups: G.
        effects: (T,), planted differences to the reference in points.
        effect_sd: Additional standard deviation over seeds and over groups, per point of a planted effect.
        further: K.
    """
    shape, effects = (repetitions, trainings), np.zeros(trainings) if effects is None else np.asarray(effects, float)
    of_seed, of_group, of_both = (
        np.minimum(_variances(rng, sd, freedom, shape), world.largest_sd**2)
        for sd, freedom in (
            (world.seed_sd, world.seed_freedom),
            (world.group_sd, world.group_freedom),
            (world.interaction_sd, world.interaction_freedom),
        )
    )
    of_seed = of_seed * np.where(rng.random(shape) < world.wide, world.wide_factor, 1.0)
    of_seed[:, 0] *= world.reference_factor
    extra = (effect_sd * np.abs(effects))[:, None]
    by_seed = np.sqrt(of_seed)[..., None] * _units(rng, world.seeds, (*shape, seeds), world.shared)
    by_seed = by_seed + world.common_sd * rng.normal(size=(repetitions, 1, seeds))
    by_seed = by_seed + extra * rng.normal(size=by_seed.shape) + effects[:, None]
    by_group = np.sqrt(of_group)[..., None] * _units(rng, world.groups, (*shape, groups), world.shared)
    by_group = by_group + extra * rng.normal(size=by_group.shape)
    both = np.sqrt(of_both)[..., None, None] * rng.normal(size=(*shape, seeds, groups))
    sizes = np.full((repetitions, groups), 10.0)
    if world.unequal_groups:
        sizes = np.clip(np.round(rng.lognormal(1.6, 0.8, sizes.shape)), 1, 30)
    if world.unscored:
        sizes[:, 3:] *= rng.random(sizes[:, 3:].shape) >= world.unscored
    shares = sizes / sizes.sum(axis=1, keepdims=True)
    level = np.einsum('rtg,rg->rt', by_group, shares)[..., None]
    cells = by_seed[..., None] + by_group[:, :, None] + both
    of_further = _of_reference(world, rng, of_seed[:, 0], of_both[:, 0], shares, further) + level[:, 0] + effects[0]
    squares = (shares**2).sum(axis=1, keepdims=True)
    error = (of_seed + extra[:, 0] ** 2) / seeds + (of_group + extra[:, 0] ** 2 + of_both / seeds) * squares
    return Grids(np.einsum('rtsg,rg->rts', cells, shares), cells.mean(axis=2), sizes, of_further, error, cells)


def first_seeds(grids: Grids, number: int) -> Grids:
    """The same grids with the first seeds alone; the true errors are not those of so few."""
    cells = grids.cells[:, :, :number]
    return grids._replace(
        by_seed=grids.by_seed[:, :, :number], by_group=cells.mean(axis=2), error=grids.error * np.nan, cells=cells
    )


def _of_reference(
    world: World, rng: np.random.Generator, of_seed: np.ndarray, of_both: np.ndarray, shares: np.ndarray, further: int
) -> np.ndarray:
    """Scores of the reference in further seeds, without the level that all of its seeds share."""
    shape = (len(of_seed), 1, further)
    own = np.sqrt(of_seed)[:, None] * _unit(rng, world.seeds, shape)[:, 0]
    both = np.sqrt(of_both * (shares**2).sum(axis=1))[:, None] * rng.normal(size=own.shape)
    return own + both + world.common_sd * rng.normal(size=own.shape)


def without_reference(grids: Grids) -> Grids:
    """The same scores as differences to a reference that shares the training: its score is zero throughout."""

    def zero(scores: np.ndarray) -> np.ndarray:
        scores = scores.copy()
        scores[:, 0] = 0.0
        return scores

    return grids._replace(by_seed=zero(grids.by_seed), by_group=zero(grids.by_group), cells=zero(grids.cells))


def _variances(rng: np.random.Generator, sd: float, freedom: float, shape: tuple) -> np.ndarray:
    if np.isinf(freedom):
        return np.full(shape, sd**2)
    return freedom * sd**2 / rng.chisquare(freedom, shape)


def _units(rng: np.random.Generator, kind: str, shape: tuple, shared: float) -> np.ndarray:
    """Effects with mean 0 and variance 1 (but for heavy tails), of which ``shared`` is common to the trainings."""
    common = _unit(rng, kind, (shape[0], 1, shape[2])) if shared else 0.0
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * _unit(rng, kind, shape)


def _unit(rng: np.random.Generator, kind: str, shape: tuple) -> np.ndarray:
    if kind == 'normal':
        return rng.normal(size=shape)
    if kind == 'bimodal':  # two kinds of trainings, each as likely as the other
        return np.sqrt(0.95) * rng.choice([-1.0, 1.0], shape) + np.sqrt(0.05) * rng.normal(size=shape)
    if kind == 't2.5':
        return rng.standard_t(2.5, shape) / np.sqrt(5)
    if kind == 'exponential':
        return 1 - rng.exponential(size=shape)
    if kind == 'lognormal':
        sd = 0.8
        return (np.exp(sd**2 / 2) - rng.lognormal(0, sd, shape)) / np.sqrt((np.exp(sd**2) - 1) * np.exp(sd**2))
    share = {'one in ten fails': 0.1, 'one in three fails': 0.3}[kind]
    failing = rng.random(shape) < share  # by ten standard deviations of the others
    return (rng.normal(size=shape) - 10 * (failing - share)) / np.sqrt(1 + 100 * share * (1 - share))
