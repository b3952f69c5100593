"""Are seed variances that are borrowed honest, and are they worth it? Simulated grids, with everything else known.

Worlds are those of tests/helpers/simulated_grids.py: crossed effects of training, seed and image group, some with
components from this project's committed grids, others that break what the method assumes. ``own`` is each difference by
itself, ``moderated`` the method of the harness. The rates below are of grids with no true difference: the family-wise
error is the part of the grids with one false call or more by Holm's procedure at 5 %.

Family-wise error in percent, in the world ``records`` and in the worst of all worlds but those in which single arms
have a hundred times the variance, own → moderated, 8 groups, 400 grids (standard error 1 at 5 %)::

    rows  seeds   different trainings (18 worlds)            one training (12 worlds)
                  records      worst                         records      worst
      3     2     3.0 → 3.0    7.2 → 7.2  seeds only         0.8 → 0.8    5.2 → 5.2   seeds only
      3     3     1.2 → 2.5    4.8 → 8.0  bimodal seeds      1.5 → 1.5    10.0 → 10.0 one in three fails
      3     5     0.5 → 3.5    4.8 → 5.8  seeds only         2.0 → 2.0    4.8 → 4.8   one in ten fails
      3    10     1.5 → 3.2    3.5 → 4.8  one in three       2.8 → 2.8    6.0 → 6.0   one in ten fails
      6     2     0.8 → 0.8    5.5 → 5.5  seeds only         0.8 → 0.8    6.0 → 6.0   one in three fails
      6     3     1.0 → 0.5    1.8 → 7.2  reference 100x     1.5 → 3.0    11.5 → 7.2  one in three fails
      6     5     1.0 → 2.0    4.0 → 5.8  groups only        0.5 → 1.0    7.8 → 7.0   one in three fails
      6    10     1.5 → 2.2    2.8 → 4.0  one in three       1.2 → 2.5    4.0 → 4.8   one in ten fails
     20     2     0.2 → 0.2    3.2 → 4.2  reference 100x     1.8 → 0.8    0.5 → 2.8   near copies
     20     3     0.2 → 0.0    2.5 → 7.2  reference 100x     0.8 → 2.5    1.0 → 3.0   near copies
     20     5     0.5 → 1.2    2.0 → 6.2  reference 100x     1.2 → 3.0    6.0 → 6.2   one in ten fails
     20    10     0.5 → 0.5    3.5 → 4.8  groups only        2.8 → 3.8    5.5 → 7.0   one in ten fails
     73     2     0.0 → 0.0    0.0 → 1.8  groups only        1.2 → 0.0    0.8 → 2.2   near copies
     73     3     0.0 → 0.2    0.0 → 4.0  groups only        0.0 → 0.5    1.0 → 2.5   exponential seeds
     73     5     0.0 → 0.0    1.5 → 7.0  groups only        1.0 → 2.2    3.0 → 3.8   exponential seeds
     73    10     0.5 → 0.8    2.5 → 4.0  groups only        1.2 → 3.0    6.5 → 8.0   one in ten fails

Bimodal seeds (each training is one of two kinds by chance), trainings that are near copies of one another, and groups
of which every other one has no scored image stay at 4.8 or below elsewhere, and their intervals cover 93.8 % or more.

The worst of all numbers of rows (3, 6, 20, 73) and seeds (2, 3, 5, 10) with 8 groups, 2,000 grids (1,000 for 73 rows;
the standard error is 0.5 and 0.7 at 5 %), own → moderated; ``hundredfold`` means that a fifth or half of the arms have
a hundred times the variance of the others::

    different trainings                      family          different trainings                    family
      seeds only, 3 rows, 3 seeds            4.8 → 8.0         reference 100x, 20 rows, 3 seeds     1.4 → 6.8
      bimodal seeds, 3 rows, 3 seeds         5.4 → 7.0         groups only, 6 rows, 10 seeds        5.1 → 6.2
      half hundredfold, 3 rows, 5 seeds      3.2 → 6.9         groups only, 73 rows, 5 seeds        1.2 → 5.8
    one training
      one in ten fails, 73 rows, 10 seeds    9.4 → 11.3        one in three fails, 3 rows, 3 seeds  11.0 → 11.0

With 20 and 60 groups, own → moderated again (1,000 grids for 6 rows, 400 to 600 for 20, 500 for 3, and 150 to 200 for
73; the standard error is 0.7 to 1.8 at 5 %; for 3 and 73 rows those 14 and 8 to 12 worlds that are worst elsewhere)::

    rows  seeds groups   different trainings        one training: the technique fails alone in
                         worst world                one of ten   one of three  others
      3      2     20    5.4 → 5.4  reference 100x  4.0 → 4.0    7.4 → 7.4     2.4 → 2.4  exponential seeds
      3      2     60    7.8 → 7.8  bimodal seeds   4.8 → 4.8    9.2 → 9.2     2.8 → 2.8  exponential seeds
      3      3     20    5.4 → 7.6  seeds only      4.4 → 4.4    13.4 → 13.4   3.0 → 3.0  exponential seeds
      3      3     60    6.8 → 8.0  bimodal seeds   9.2 → 9.2    17.8 → 17.8   4.4 → 4.4  exponential seeds
      3      5     20    2.4 → 6.4  heterogeneous   10.4 → 10.4  7.2 → 7.2     4.0 → 4.0  exponential seeds
      3      5     60    2.6 → 6.2  heterogeneous   16.8 → 16.8  8.6 → 8.6     4.6 → 4.6  exponential seeds
      3     10     20    5.0 → 5.6  bimodal seeds   10.0 → 10.0  2.8 → 2.8     5.6 → 5.6  exponential seeds
      3     10     60    5.4 → 5.6  bimodal seeds   16.0 → 16.0  3.2 → 3.2     5.2 → 5.2  exponential seeds
      6      2     20    5.3 → 5.3  one in three    3.8 → 3.8    8.2 → 8.2     4.8 → 4.8  seeds only
      6      2     60    6.1 → 6.1  bimodal seeds   5.4 → 5.4    9.5 → 9.5     4.2 → 4.2  seeds only
      6      3     20    2.7 → 6.2  reference 100x  6.1 → 5.9    14.4 → 9.9    2.4 → 5.5  exponential seeds
      6      3     60    2.9 → 6.4  reference 100x  8.7 → 8.0    17.7 → 12.4   7.5 → 6.5  bimodal seeds
      6      5     20    2.3 → 4.4  heterogeneous   11.7 → 12.8  10.7 → 9.8    4.3 → 5.8  exponential seeds
      6      5     60    4.2 → 6.1  heterogeneous   18.8 → 18.3  12.2 → 10.8   6.0 → 6.8  exponential seeds
      6     10     20    3.3 → 5.2  skewed groups   11.7 → 12.1  4.3 → 4.1     4.6 → 6.2  skewed groups
      6     10     60    4.6 → 4.6  bimodal seeds   18.3 → 17.7  5.6 → 5.6     5.5 → 6.4  exponential seeds
     20      2     20    4.8 → 5.7  reference 100x  3.5 → 0.5    7.2 → 0.3     1.0 → 4.5  near copies
     20      2     60    3.8 → 4.8  reference 100x  4.0 → 0.8    8.5 → 1.0     2.2 → 5.2  near copies
     20      3     20    1.7 → 7.0  reference 100x  6.3 → 2.3    17.3 → 2.8    1.7 → 6.0  heterogeneous
     20      3     60    1.7 → 7.3  reference 100x  8.8 → 2.0    19.5 → 5.5    0.8 → 4.2  near copies
     20      5     20    2.0 → 5.3  groups only     11.3 → 11.0  17.2 → 6.5    2.7 → 5.3  exponential seeds
     20      5     60    1.5 → 4.2  heterogeneous   20.8 → 14.8  22.8 → 8.0    6.2 → 8.2  exponential seeds
     20     10     20    3.0 → 3.8  groups only     17.5 → 17.8  6.0 → 5.0     6.3 → 7.7  skewed groups
     20     10     60    3.0 → 3.5  groups only     21.5 → 18.8  7.0 → 5.0     5.8 → 7.0  exponential seeds
     73      2     20    1.0 → 3.0  heterogeneous   1.0 → 0.5    4.0 → 0.0     1.0 → 0.0  records
     73      3     20    1.5 → 4.0  reference 100x  2.5 → 0.5    12.5 → 0.0    1.5 → 3.0  near copies
     73      5     20    1.0 → 4.0  groups only     9.0 → 5.0    16.5 → 3.5    4.5 → 7.0  exponential seeds
     73     10     20    1.5 → 4.0  heterogeneous   21.5 → 20.0  5.5 → 4.5     3.5 → 7.5  exponential seeds
     73      3     60    0.7 → 3.3  reference 100x  9.3 → 0.7    21.3 → 0.7    5.3 → 1.3  exponential seeds
     73     10     60    2.7 → 4.0  groups only     32.7 → 28.0  7.3 → 5.3     3.3 → 4.0  exponential seeds

Within one training the worlds in which the technique alone breaks one training in ten, or in three, are the named ones:
seeds that do not show the failure agree with one another on another mean, and no method of a few seeds can know. The
worst has 28 (73 rows, 10 seeds, 60 groups). Own variances do no better there. All other worlds stay at 8.2 or below.
The moderated method exceeds the own one by more than 3 points and the error of the simulation where the reference has a
hundred times the variance of the others (20 rows, 3 seeds: 6.8 to 7.3 for 1.4 to 1.7). By 4 to 5 points, which is more
than 3 by one or two standard errors, it does with 73 rows and 5 seeds of the world of groups only (5.8 for 1.2), and
within one training with heterogeneous differences (20 rows, 3 seeds and 20 groups: 6.0 for 1.7).

Coverage of 95 % intervals is 92 % or more for different trainings in all worlds but one: where the reference, which all
differences share, has ten times the variance of the others it is 88 to 95 %, and with a hundred times 71 to 93 %,
because each seed of the reference moves all differences alike. Ten seeds of the reference, with two or three of the
others, mend this: 96 to 98 %. Where half of the arms have a hundred times the variance of the others it is 91.3 % with
3 seeds, 6 rows and 60 groups, and 92 % or more elsewhere. Within one training it is 92 % or more; where the technique
fails alone 91 % (8 groups), 89 % (20) and 86 % (60), as without borrowing.

Power, the part of the planted effects of 0.5, 1, 2, 5 and 20 points that is called with the right sign, in percent;
world ``records``, 8 groups, half of the rows without effect; the oracle knows all variances::

    rows  seeds   own                     moderated               oracle
     20     2      0 /  0 /  2 /  4 /  5   1 /  9 / 38 / 72 / 86  12 / 62 / 97 / 100 / 100
     20     3      0 /  4 / 13 / 39 / 56   4 / 28 / 83 / 100 / 100  20 / 74 / 99 / 100 / 100
     20     5      4 / 34 / 85 / 99 / 100  18 / 72 / 98 / 100 / 100  37 / 88 / 99 / 100 / 100
     20    10     24 / 84 / 99 / 100 / 100  41 / 91 / 99 / 100 / 100  59 / 96 / 100 / 100 / 100
     73     2      0 /  0 /  0 /  1 /  1   0 /  0 /  8 / 54 / 81   6 / 50 / 95 / 100 / 100
     73     3      0 /  1 /  4 / 10 / 17   0 /  7 / 61 / 98 / 100  12 / 68 / 98 / 100 / 100
     73     5      0 /  9 / 56 / 96 / 100  5 / 50 / 96 / 100 / 100  24 / 84 / 100 / 100 / 100
     73    10      8 / 67 / 99 / 100 / 100  24 / 86 / 100 / 100 / 100  48 / 96 / 100 / 100 / 100

To make the tables again (an hour; ``THOROUGH=1`` tests more numbers of seeds, groups and rows)::

    PYTHONPATH=.:tests/helpers python tests/helpers/simulated_verdicts.py 400
"""

import os

import numpy as np
import pytest
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING, draw, without_reference
from simulated_verdicts import judge, power, rates

from benchmarks.analysis.moderation import between_trainings, prior_scale, prior_weight, within_trainings

# Three standard errors above 5 % of 1,000 grids: 3 x 0.69 points.
REPETITIONS, ALLOWED, LEAST_COVERAGE = 1000, 7.1, 92.0
# The worlds with 6 % or more in the second table, and one standard error above the worst of them.
WORST, WORST_WORLDS = 9.0, ('seeds_only', 'bimodal_seeds', 'half_hundredfold', 'reference_hundredfold', 'groups_only')
# Above the method without borrowing: 3 points, and three standard errors of the difference of two rates.
MORE_THAN_OWN = 3 + 3 * 0.9
# The reference is the odd arm of the grid, and all differences share it: only more seeds of it can show that.
ODD_REFERENCE = ('reference_tenfold', 'reference_hundredfold')
# The technique alone breaks one training in so many.
FAILS = ('one_in_ten_fails', 'one_in_three_fails')
ALL_SIZES = [(seeds, rows) for rows in (3, 6, 20, 73) for seeds in (2, 3, 5, 10)]
# With more groups of images the seeds decide: seeds, groups, rows.
MORE_GROUPS = [(3, 20, 6), (3, 60, 6)]
if os.environ.get('THOROUGH'):
    MORE_GROUPS = [(seeds, groups, rows) for rows in (3, 6, 20) for groups in (20, 60) for seeds in (2, 3, 5, 10)]


def variances(rng, freedom, nu, shape):
    """Sample variances of nu degrees of freedom around true ones from a scaled inverse chi-square of scale 2."""
    true = 2.0 if np.isinf(freedom) else freedom * 2.0 / rng.chisquare(freedom, shape)
    return true * rng.chisquare(nu, shape) / nu


@pytest.mark.parametrize('freedom', [2.0, 4.0, 20.0])
def test_the_prior_is_found_again(freedom):
    sample = variances(np.random.default_rng(1), freedom, 4, (1, 40_000))
    assert prior_weight(sample, 4)[0, 0] == pytest.approx(freedom, rel=0.1)
    assert prior_scale(sample, 4, freedom)[0, 0] == pytest.approx(2.0, rel=0.03)


def test_equal_variances_leave_nothing_to_the_own_ones():
    """Where variances differ by chance alone, the prior's weight grows without bound; the method caps it."""
    sample = variances(np.random.default_rng(2), np.inf, 2, (200, 60))
    assert np.median(prior_weight(sample, 2)) > 10


def grid(rng, trainings, n_seeds, sd=0.3):
    y = rng.normal(0, sd, (trainings, n_seeds))
    return y, np.arange(1, trainings), np.zeros(trainings - 1, int), (y[1:] - y[0]).var(axis=1, ddof=1)


@pytest.mark.parametrize(
    'trainings, n_seeds, borrowed, within_borrowed',
    [(3, 10, False, False), (4, 3, True, False), (5, 3, True, True), (19, 2, False, False), (21, 2, True, True)],
)
def test_small_grids_keep_their_own_variances(trainings, n_seeds, borrowed, within_borrowed):
    """Differences to the first training: one fewer than trainings."""
    y, stacks, references, own = grid(np.random.default_rng(3), trainings, n_seeds)
    between = between_trainings(y, stacks, references, own)
    within = within_trainings(y[1:].mean(axis=1), own, n_seeds)
    assert (between.borrowed, within.borrowed) == (borrowed, within_borrowed)
    if not borrowed:
        np.testing.assert_array_equal(between.variance, own / n_seeds)
        assert between.degrees_of_freedom == n_seeds - 1


def test_a_lucky_agreement_is_drawn_up_and_bad_luck_down():
    y, stacks, references, own = grid(np.random.default_rng(4), 30, 2)
    moderated = between_trainings(y, stacks, references, own)
    lowest, highest = own.argmin(), own.argmax()
    assert moderated.variance[lowest] > own[lowest] / 2 and moderated.variance[highest] < own[highest] / 2
    assert np.all(np.argsort(moderated.variance) == np.argsort(own)) or np.std(moderated.variance) < np.std(own / 2)


def test_an_effect_of_all_trainings_alike_changes_nothing():
    """A common seed effect cancels in differences, and must not widen the prior."""
    y, stacks, references, own = grid(np.random.default_rng(5), 30, 3)
    shifted = y + np.array([5.0, -3.0, 0.5])
    same = between_trainings(shifted, stacks, references, own)
    np.testing.assert_allclose(same.variance, between_trainings(y, stacks, references, own).variance, rtol=1e-6)


def test_the_unit_of_the_score_cancels():
    y, stacks, references, own = grid(np.random.default_rng(6), 30, 3)
    for scaled, plain in (
        (between_trainings(10 * y, stacks, references, 100 * own), between_trainings(y, stacks, references, own)),
        (within_trainings(10 * y[1:, 0], 100 * own, 3), within_trainings(y[1:, 0], own, 3)),
    ):
        np.testing.assert_allclose(scaled.variance, 100 * plain.variance, rtol=1e-5)


def test_a_training_that_varies_much_does_not_widen_the_others():
    rng = np.random.default_rng(7)
    y, stacks, references, own = grid(rng, 30, 3)
    wild = y.copy()
    wild[-1] += rng.normal(0, 20, 3)
    their_own = (wild[1:] - wild[0]).var(axis=1, ddof=1)
    before, after = (
        between_trainings(levels, stacks, references, of).variance[:-1] for levels, of in ((y, own), (wild, their_own))
    )
    assert np.median(after / before) < 1.3


def test_what_is_far_off_gets_a_larger_prior():
    y, stacks, references, own = grid(np.random.default_rng(8), 30, 3)
    far = y.copy()
    far[1] += 20.0  # the seeds agree as before
    moved = between_trainings(far, stacks, references, own).variance
    assert moved[0] > 3 * between_trainings(y, stacks, references, own).variance[0]


# ---- whole grids


@pytest.mark.slow
@pytest.mark.parametrize('name', DIFFERENT_TRAININGS)
def test_grids_of_different_trainings_seldom_hold_a_false_call(name):
    for n_seeds, rows in ALL_SIZES:
        found = rates(DIFFERENT_TRAININGS[name], 11, REPETITIONS, rows, n_seeds, 8, shared=False)
        own, moderated = found['own'], found['moderated']
        assert moderated.family <= (WORST if name in WORST_WORLDS else ALLOWED), (n_seeds, rows)
        assert moderated.coverage >= (73.0 if name in ODD_REFERENCE else LEAST_COVERAGE), (n_seeds, rows)
        if name != 'reference_hundredfold':
            assert moderated.family <= own.family + MORE_THAN_OWN, (n_seeds, rows)


@pytest.mark.slow
@pytest.mark.parametrize('name', SHARED_TRAINING)
def test_grids_within_one_training_seldom_hold_a_false_call(name):
    for n_seeds, rows in ALL_SIZES:
        found = rates(SHARED_TRAINING[name], 12, REPETITIONS, rows, n_seeds, 8, shared=True)
        own, moderated = found['own'], found['moderated']
        # A training in three that fails with the technique alone: a one-sample test of few seeds cannot know.
        assert moderated.family <= (max(ALLOWED, own.family + 3) if name in FAILS else ALLOWED), (n_seeds, rows)
        assert moderated.coverage >= (LEAST_COVERAGE - 1 if name in FAILS else LEAST_COVERAGE), (n_seeds, rows)
        assert moderated.family <= own.family + MORE_THAN_OWN, (n_seeds, rows)


@pytest.mark.slow
@pytest.mark.parametrize('n_seeds, groups, rows', MORE_GROUPS)
@pytest.mark.parametrize('name', DIFFERENT_TRAININGS)
def test_more_groups_of_images_change_little(name, n_seeds, groups, rows):
    found = rates(DIFFERENT_TRAININGS[name], 17, REPETITIONS, rows, n_seeds, groups, shared=False)['moderated']
    assert found.family <= WORST
    # Half a point of simulation error below the lowest of the docstring, 91.3 % (half_hundredfold).
    assert found.coverage >= (69.0 if name in ODD_REFERENCE else LEAST_COVERAGE - 1)


@pytest.mark.slow
@pytest.mark.parametrize('n_seeds, groups, rows', MORE_GROUPS)
@pytest.mark.parametrize('name', SHARED_TRAINING)
def test_within_one_training_failures_alone_decide_with_more_groups(name, n_seeds, groups, rows):
    found = rates(SHARED_TRAINING[name], 17, REPETITIONS, rows, n_seeds, groups, shared=True)
    own, moderated = found['own'], found['moderated']
    assert moderated.family <= (max(own.family + 3, WORST) if name in FAILS else WORST)
    least = min(own.coverage, LEAST_COVERAGE) - 4 if name in FAILS else LEAST_COVERAGE - 1
    assert moderated.coverage >= least


@pytest.mark.slow
@pytest.mark.parametrize('name', ODD_REFERENCE)
def test_more_seeds_of_the_reference_mend_what_an_odd_reference_breaks(name):
    few, many = (
        rates(DIFFERENT_TRAININGS[name], 13, 300, 20, 3, 8, shared=False, of_reference=number)['moderated']
        for number in (None, 10)
    )
    assert many.coverage >= 95 > few.coverage and many.family <= few.family + 1


def test_satterthwaite_would_call_too_much_within_one_training():
    """Why the Behrens-Fisher distribution stands there, which costs some power."""
    world = SHARED_TRAINING['one_in_ten_fails']
    grids = without_reference(draw(world, np.random.default_rng(14), 400, 21, 5, 8))
    right, wrong = judge(grids, one_training=True), judge(grids, one_training=True, satterthwaite=True)
    at = 0.05 / 20
    assert wrong.outside(at).any(axis=1).mean() > right.outside(at).any(axis=1).mean() + 0.02


def test_grids_of_two_seeds_find_large_effects():
    """In a world as the records have it: each difference by itself finds next to nothing."""
    found = power(15, 60, 40, 2, 8)
    assert found['moderated'][5.0] > 0.25 and found['own'][5.0] < 0.1
    assert found['moderated'][20.0] > 0.5 and found['own'][20.0] < 0.1


def test_grids_of_five_seeds_find_more():
    found = power(16, 40, 40, 5, 8)
    assert found['moderated'][1.0] > found['own'][1.0] + 0.15
    assert all(found['own'][effect] <= part <= found['oracle'][effect] for effect, part in found['moderated'].items())
