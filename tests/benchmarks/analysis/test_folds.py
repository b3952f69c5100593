"""Folds: their cells pooled, and the variance of their training sets, by hand and in simulated worlds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_folds import TRAINING_SETS, Design, FoldedScores, draw_folds, judge_folds, rates
from simulated_grids import DIFFERENT_TRAININGS, SHARED_TRAINING
from simulated_looks import different_counts, names

from benchmarks.analysis.differences import measure
from benchmarks.analysis.folds import enlargement, pooled_counts, pooled_records, variance_of_folds
from benchmarks.analysis.more_seeds import more_seeds
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.resampling import Estimate, estimate, half_width, interval, intervals, p_value
from benchmarks.record import cell_name

# The worlds of the docstring: what a unit of seed, fold or group adds to a difference.
WORLDS = dict(
    nothing=dict(fold=0.0, influence=0.0, seed=0.0),
    folds_differ=dict(fold=0.5, influence=0.0, seed=0.3),
    groups_teach=dict(fold=0.0, influence=1.0, seed=0.3),
    groups_teach_much=dict(fold=0.0, influence=2.0, seed=0.3),
    same_technique=dict(fold=0.0, influence=0.0, seed=0.5, group=0.0, noise=1.0),
)
DESIGNS = [(10, 5), (20, 5), (60, 5), (20, 10), (60, 10), (12, 2), (10, 10), (60, 3)]


def experiments(n, n_groups, n_folds, n_seeds, *, fold, influence, seed, group=1.0, noise=0.5, draw=0):
    """Estimates of a difference whose true value is 0.

    A group adds to the test of its fold, and, by ``influence``, to what the networks of all other folds learn.
    """
    rng = np.random.default_rng(draw)
    of_group = np.arange(n_groups) % n_folds
    of_test, taught = (sd * rng.standard_normal((n, n_groups)) for sd in (group, influence))
    learned = np.stack([taught[:, of_group != one].mean(axis=1) for one in range(n_folds)], axis=1)
    learned = learned + fold * rng.standard_normal((n, n_folds))
    trained = learned[:, None, :] + seed * rng.standard_normal((n, n_seeds, n_folds))
    scores = of_test[:, None, :] + trained[:, :, of_group] + noise * rng.standard_normal((n, n_seeds, n_groups))
    total = scores.sum(axis=-1, keepdims=True)
    without = (total - scores) / (n_groups - 1)
    member = np.eye(n_folds)[of_group]  # (G, F)
    without_fold = (total - scores @ member) / (n_groups - member.sum(axis=0))
    return estimate(scores.mean(axis=-1), without, np.ones(n_groups), without_fold)


def misses(est):
    low, high = interval(est, 0.05, (-np.inf, np.inf))
    return np.mean((low > 0) | (high < 0))


def worst(rule, **world):
    return max(
        misses(rule(experiments(1500, groups, folds, seeds, draw=groups, **world)))
        for groups, folds in DESIGNS
        for seeds in (1, 3)
    )


def as_it_is(est):
    return est


def groups_alone(est):
    return est._replace(variance_folds=0.0, n_folds=1)


@pytest.mark.parametrize(
    ('world', 'most', 'naive'),
    [
        ('nothing', 0.03, 0.04),
        ('folds_differ', 0.07, 0.35),
        ('groups_teach', 0.065, 0.22),
        ('groups_teach_much', 0.16, 0.35),
    ],
)
def test_intervals_hold_what_another_training_set_would_change(world, most, naive):
    assert worst(as_it_is, **WORLDS[world]) <= most
    assert worst(groups_alone, **WORLDS[world]) >= naive  # folds taken for independent


@pytest.mark.parametrize(
    ('world', 'most'), [('nothing', 0.03), ('folds_differ', 0.06), ('groups_teach', 0.06), ('groups_teach_much', 0.18)]
)
def test_a_borrowed_seed_variance_leaves_the_folds_their_part(world, most):
    def borrowed(est):
        own = est.n_seeds - 1
        mean = est.variance_seeds.mean()  # what all trainings show together
        return est._replace(variance_seeds=(own * est.variance_seeds + 4 * mean) / (own + 4), prior_freedom=4.0)

    for groups, folds in DESIGNS:
        assert misses(borrowed(experiments(1500, groups, folds, 3, draw=groups, **WORLDS[world]))) <= most


def test_the_same_technique_twice_is_rarely_called():
    for groups, folds in DESIGNS:
        assert misses(experiments(2000, groups, folds, 3, **WORLDS['same_technique'])) <= 0.05


def test_the_variance_by_hand():
    # Means without each of three folds: 1, 2, 6. V_J = 2/3 * 14; enlarged by 1 + 3/2.
    without_fold = np.array([[0.0, 2.0, 5.0], [2.0, 2.0, 7.0]])
    assert enlargement(3) == 2.5
    assert variance_of_folds(without_fold, np.array(1.0)) == pytest.approx(2.5 * 28 / 3 - 1)
    assert variance_of_folds(without_fold, np.array(99.0)) == 0


def test_equal_folds_add_nothing_and_no_folds_change_nothing():
    full, without, sizes = np.array([1.0, 2.0]), np.array([[1.0, 0.5, 1.5], [2.0, 1.0, 3.0]]), np.ones(3)
    plain = estimate(full, without, sizes)
    assert estimate(full, without, sizes, np.zeros((2, 0))) == plain
    assert estimate(full, without, sizes, np.ones((2, 4))).variance_folds == 0
    assert (plain.variance_folds, plain.n_folds) == (0.0, 1)


def three_sources(**changes):
    values = dict(variance_groups=np.array(4.0), variance_seeds=np.array(1.0), effective_groups=np.array(9.0))
    est = Estimate(np.array(3.0), n_seeds=3, **values)._replace(variance_folds=np.array(2.0), n_folds=5)
    return est._replace(**changes)


def test_each_source_has_its_own_quantile():
    t = [stats.t.isf(0.025, freedom) for freedom in (8, 2, 4)]
    assert half_width(three_sources(), 0.05) == pytest.approx(np.sqrt(4 * t[0] ** 2 + t[1] ** 2 + 2 * t[2] ** 2))
    borrowed = three_sources(prior_freedom=4.0, lenders=20)
    t[1] = stats.t.isf(0.025, 6)
    assert half_width(borrowed, 0.05) == pytest.approx(np.sqrt(4 * t[0] ** 2 + t[1] ** 2 + 2 * t[2] ** 2))
    level = p_value(borrowed)
    assert half_width(borrowed, level) == pytest.approx(3.0)
    assert (three_sources().share_of_seeds, three_sources().share_of_folds) == pytest.approx((1 / 7, 2 / 7))


def test_these_checkpoints_are_of_these_training_sets():
    alone = three_sources().of_these_checkpoints
    assert (alone.variance_folds, alone.n_folds, alone.n_seeds) == (0.0, 1, 1)


def test_what_would_decide_where_training_sets_differ():
    est = three_sources(value=np.array(4.0), variance_groups=np.array(0.2), variance_seeds=np.array(0.1))
    forecast = more_seeds([est._replace(variance_folds=np.array(9.0))], 0.0, [1])[0]
    assert forecast.limited_by == 'folds' and forecast.times_groups > 1
    assert more_seeds([est._replace(variance_folds=np.array(0.0))], 0.0, [1])[0].limited_by != 'folds'


def frame(*rows):
    return pd.DataFrame(rows, columns=['cell', 'image', 'class'])


def test_cells_without_all_of_their_folds_are_left_out():
    whole = [('a__seed0__fold0', 'x', 0), ('a__seed0__fold1', 'y', 0)]
    table, fold_of = pooled_counts(frame(*whole, ('b__seed0__fold1', 'y', 0), ('a__seed0', 'x', 0)), 2, 'here')
    assert table.values.tolist() == [['a__seed0', 'x', 0], ['a__seed0', 'y', 0]]
    assert fold_of == dict(x=0, y=1)


def test_an_image_in_two_folds_is_refused():
    with pytest.raises(ValueError, match="here: image 'x' is tested in two folds"):
        pooled_counts(frame(('a__seed0__fold0', 'x', 0), ('a__seed0__fold1', 'x', 0)), 2, 'here')


def record(fold, **changes):
    train = dict(seconds=2.0 + fold, iterations=10, final_loss=0.5, peak_mib=None, peak_reserved_mib=None)
    base = dict(
        cell=f'a__seed0__fold{fold}',
        stack='a',
        seed=0,
        fold=fold,
        status='ok',
        reason=None,
        failed_stage=None,
        keys=dict(train=f't{fold}', refine=None),
        train=train | dict(host_peak_mib=100.0 + fold),
        changed_pixels=fold,
        maps_sha256=f'm{fold}',
        acted={'train x': 2},
    )
    return base | changes


def test_the_records_of_a_seed_become_one():
    records = {one['cell']: one for one in (record(0), record(1))}
    (pooled,) = pooled_records(records, 2).values()
    assert pooled['cell'] == 'a__seed0' and 'fold' not in pooled
    assert pooled['keys'] == dict(train='t0 t1', refine=None)
    assert (pooled['train']['seconds'], pooled['train']['host_peak_mib']) == (2.5, 101.0)
    assert (pooled['changed_pixels'], pooled['acted'], pooled['maps_sha256']) == (1, {'train x': 4}, 'm0 m1')
    assert not pooled_records(records, 3)  # one was never written


def test_the_courses_of_the_trainings_of_a_seed_become_one():
    norm = dict(first=1.0, median=1.0, largest=2.0, last=1.0)
    folds = [record(0), record(1)]
    folds[0]['train'] |= dict(loss_spikes=1, grad_norm=norm, loss_by_tenth=[1.0, 0.5], lr_by_tenth=[0.2, 0.1])
    folds[1]['train'] |= dict(
        loss_spikes=2, grad_norm=norm | dict(largest=9.0), loss_by_tenth=[2.0, 0.7], lr_by_tenth=[0.4, 0.1]
    )
    train = pooled_records({one['cell']: one for one in folds}, 2)['a__seed0']['train']
    assert (train['loss_spikes'], train['grad_norm']['largest'], train['loss_by_tenth']) == (3, 9.0, [1.5, 0.6])
    assert train['lr_by_tenth'] == pytest.approx([0.3, 0.1])


def test_a_cell_fails_with_one_of_its_folds():
    failed = record(1, status='failed', reason='no room', failed_stage='train', train=None)
    (pooled,) = pooled_records({one['cell']: one for one in (record(0), failed)}, 2).values()
    assert (pooled['status'], pooled['reason'], pooled['train']) == ('failed', 'fold 1: no room', None)


def test_many_intervals_at_once_are_those_of_each():
    borrowed = three_sources(prior_freedom=4.0, lenders=20)
    both = intervals([borrowed, None, three_sources()])
    assert both[0] == pytest.approx(interval(borrowed, 0.05, (-np.inf, np.inf)))
    assert both[2] == pytest.approx(interval(three_sources(), 0.05, (-np.inf, np.inf)))


# ---- whole grids: stack × seed × fold × group


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize('design', [Design(3, 5, 20), Design(2, 5, 20, rows=20)])
def test_simulated_grids_are_judged_as_reports_judge_them(design, shared):
    """All at once in numpy, or one by one by the code behind a report."""
    grids = draw_folds(
        DIFFERENT_TRAININGS['records'], TRAINING_SETS['folds_differ'], np.random.default_rng(5), 1, design
    )
    grids = grids.without_reference if shared else grids
    _, judged = judge_folds(grids, one_training=shared)
    stacks = names(design.rows + 1)
    comparisons = [dict(design='each_alone', stack=stack, reference=stacks[0]) for stack in stacks[1:]]
    weights = {cell_name(stack, seed): f'{seed}' for stack in stacks for seed in range(design.seeds)}
    scores, counts = FoldedScores(grids.cells[0], design), different_counts(len(stacks), design.seeds, design.groups)
    facts = Facts(weights=weights if shared else {})
    for row, (_, est) in enumerate(measure(comparisons, scores, counts, facts, range(design.seeds))):
        assert est.prior_freedom == pytest.approx(
            float(np.broadcast_to(judged.prior_freedom, judged.value.shape)[0, row])
        )
        assert est.n_folds == design.folds
        for name in ('value', 'variance_groups', 'variance_seeds', 'variance_folds'):
            assert float(getattr(est, name)) == pytest.approx(float(getattr(judged, name)[0, row])), name
        at_once = half_width(judged._replace(prior_freedom=np.asarray(judged.prior_freedom)), 0.01)[0, row]
        assert half_width(est, 0.01) == pytest.approx(at_once)


@pytest.mark.parametrize('sets', ['folds_differ', 'groups_teach'])
@pytest.mark.parametrize('name', DIFFERENT_TRAININGS)
def test_grids_with_folds_seldom_hold_a_false_call(name, sets):
    found = rates(DIFFERENT_TRAININGS[name], TRAINING_SETS[sets], 42, 300, Design(3, 5, 20), shared=False)['moderated']
    # 5 % and three standard errors of 300 grids.
    assert found.family <= 8.8
    assert found.coverage >= 92.0


@pytest.mark.parametrize('sets', ['folds_differ', 'groups_teach'])
@pytest.mark.parametrize('name', SHARED_TRAINING)
def test_nor_do_those_within_one_training(name, sets):
    found = rates(SHARED_TRAINING[name], TRAINING_SETS[sets], 43, 300, Design(3, 5, 20), shared=True)['moderated']
    assert found.family <= 8.8 and found.coverage >= 92.0


def test_folds_taken_for_independent_break_such_grids():
    """Why the choice of training sets is a source of variance of its own."""
    world, sets = DIFFERENT_TRAININGS['groups_only'], TRAINING_SETS['folds_differ']
    found = rates(world, sets, 44, 300, Design(3, 5, 60), shared=False)
    assert found['naive'].family > 20 > 8.8 > found['moderated'].family
