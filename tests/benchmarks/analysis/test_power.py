"""Does a grid show what its plan promised? Simulated pilots and grids of the worlds of tests/helpers."""

import numpy as np
import pytest
from simulated_grids import DIFFERENT_TRAININGS, draw
from simulated_looks import SimulatedScores, names
from simulated_verdicts import judge

from benchmarks.analysis.differences import SeedScores
from benchmarks.analysis.power import Components, Design, components, power, seeds_needed, smallest_gain

KNOWN = Components(seeds=0.17, groups=0.004, interaction=0.03, effective_groups=8, pairs=5, n_seeds=3)
FIVE = Design(trainings=6, pairs=5)


def pilot(world, pairs, n_seeds, seed=1):
    """Differences of independent pairs of trainings of a world."""
    cells = draw(world, np.random.default_rng(seed), 1, 2 * pairs, n_seeds, 8).cells[0]
    scores, called = SimulatedScores(cells), names(2 * pairs)
    sides = [
        (scores.of(called[n + 1], range(n_seeds)), scores.of(called[n], range(n_seeds))) for n in range(0, 2 * pairs, 2)
    ]
    return [SeedScores(a.full - b.full, a.without - b.without, a.sizes[0]) for a, b in sides]


def test_the_components_are_found_again():
    world = DIFFERENT_TRAININGS['homogeneous']
    known = components(pilot(world, 300, 3))
    assert known.interaction == pytest.approx(2 * world.interaction_sd**2 / 8, rel=0.15)
    assert known.seeds == pytest.approx(2 * world.seed_sd**2 + known.interaction, rel=0.1)
    assert known.groups == pytest.approx(2 * world.group_sd**2 / 8, abs=0.002)
    assert (known.effective_groups, known.pairs, known.n_seeds) == (8, 300, 3)


def test_one_seed_or_one_group_of_images_tells_nothing():
    one_seed = pilot(DIFFERENT_TRAININGS['records'], 3, 1)
    assert components(one_seed) is None and components([]) is None
    two = pilot(DIFFERENT_TRAININGS['records'], 3, 2)
    assert components([one._replace(without=one.without[:, :1], sizes=one.sizes[:1]) for one in two]) is None


def test_a_pair_whose_training_fails_is_not_typical():
    differences = pilot(DIFFERENT_TRAININGS['homogeneous'], 20, 3)
    wild = differences[0]._replace(full=differences[0].full + np.array([0.0, 40.0, -20.0]))
    assert components([wild, *differences[1:]]).seeds < 2 * components(differences).seeds


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, n_seeds, trainings',
    [('records', 3, 6), ('records', 3, 25), ('homogeneous', 5, 6), ('groups_only', 3, 6), ('seeds_only', 5, 6)],
)
def test_the_planned_power_is_met(name, n_seeds, trainings):
    """On the average of three pilots: in a single one the variance over seeds is known to a tenth or so."""
    world, design, met = DIFFERENT_TRAININGS[name], Design(trainings, 5), []
    for seed in (1, 2, 3):
        effects = np.zeros(trainings)
        effects[1] = smallest_gain(components(pilot(world, 300, 2, seed)), n_seeds, design)
        judged = judge(draw(world, np.random.default_rng(2), 1500, trainings, n_seeds, 8, effects), one_training=False)
        met.append((judged.outside(0.05 / 5)[:, 0] & (judged.own.value[:, 0] > 0)).mean())
    assert np.mean(met) == pytest.approx(0.8, abs=0.05)


def test_two_seeds_show_next_to_nothing_in_a_small_grid_and_more_where_they_borrow():
    assert smallest_gain(KNOWN, 2, FIVE) > 8 * smallest_gain(KNOWN, 3, FIVE)
    assert smallest_gain(KNOWN, 2, Design(25, 5)) < smallest_gain(KNOWN, 2, FIVE) / 2


def test_more_seeds_show_smaller_gains_and_more_pairs_larger_ones():
    gains = [smallest_gain(KNOWN, number, FIVE) for number in (3, 5, 10)]
    assert gains == sorted(gains, reverse=True)
    assert smallest_gain(KNOWN, 5, Design(6, 50)) > gains[1]


def test_the_seeds_that_a_gain_needs_are_those_that_show_it():
    needed = seeds_needed(1.0, KNOWN, FIVE)
    assert power(1.0, KNOWN, needed, FIVE) >= 0.8 > power(1.0, KNOWN, needed - 1, FIVE)
    assert smallest_gain(KNOWN, needed, FIVE) < 1.03


def test_where_groups_limit_no_number_of_seeds_is_enough():
    assert seeds_needed(0.5, KNOWN._replace(groups=0.2), FIVE) is None
