"""Which differences lend one another their seed variance, and what is estimated where cells are missing."""

import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.differences import Scores, Trainings, estimate_differences
from benchmarks.analysis.moderation import between_trainings, within_trainings
from benchmarks.analysis.pairs import Pair

FOREGROUND = np.array([1])
GROUPS = np.repeat(np.arange(4), 3)
SEEDS = (0, 1, 2)


def cell(rng, level):
    tp = np.round(1000 * np.clip(level + rng.normal(0, 0.02, len(GROUPS)), 0, 1)).astype(np.int64)
    area = np.stack([np.stack([9000 + 0 * tp, 1000 - tp, 0 * tp], 1), np.stack([tp, 0 * tp, 1000 - tp], 1)], 1)
    return CellCounts(area, area, area[..., :2], *np.full((2, *area.shape[:2]), np.nan))


@pytest.fixture
def counts():
    """The baseline and seven stacks with trainings of their own, three seeds each."""
    rng = np.random.default_rng(3)
    names = ['baseline', *'abcdefg']
    cells = {f'{name}__seed{seed}': cell(rng, 0.8 + rng.normal(0, 0.01)) for name in names for seed in SEEDS}
    return Counts(cells, [f'i{n}' for n in range(len(GROUPS))], GROUPS)


def estimated(counts, names='abcdefg', weights=None, left_out=(), seeds_of=None):
    seeds_of = seeds_of or {}
    pairs = [Pair(name, 'baseline', seeds_of.get(name, SEEDS)) for name in names]
    usable = counts.cells.keys() - set(left_out)
    trainings = Trainings(['baseline', *names], weights or {}, usable, SEEDS)
    found = estimate_differences(pairs, Scores('dice', counts, FOREGROUND), trainings)
    return dict(zip(names, found))


def levels(counts, names, seeds=SEEDS):
    scores = Scores('dice', counts, FOREGROUND)
    return np.array([scores.of(name, seeds).full for name in names])


def test_differences_of_trainings_borrow_from_all_trainings(counts):
    found = estimated(counts)
    y = levels(counts, ['baseline', *'abcdefg'])
    expected = between_trainings(y, np.arange(1, 8), np.zeros(7, int), (y[1:] - y[0]).var(axis=1, ddof=1))
    np.testing.assert_allclose([est.variance_seeds for est in found.values()], expected.variance)
    assert {(est.lenders, est.prior_freedom, est.behrens_fisher) for est in found.values()} == {(8, 2.0, False)}


def test_differences_within_one_training_borrow_from_one_another(counts):
    weights = {f'{name}__seed{seed}': f'w{seed}' for name in ('baseline', *'abcde') for seed in SEEDS}
    found = estimated(counts, weights=weights)
    y = levels(counts, ['baseline', *'abcde'])
    deltas = y[1:] - y[0]
    expected = within_trainings(deltas.mean(axis=1), deltas.var(axis=1, ddof=1), 3)
    np.testing.assert_allclose([found[name].variance_seeds for name in 'abcde'], expected.variance)
    assert {(found[name].lenders, found[name].behrens_fisher) for name in 'abcde'} == {(5, True)}
    # Three trainings are left: the shared one, f and g. They are too few to lend anything.
    assert {(found[name].lenders, found[name].prior_freedom) for name in 'fg'} == {(0, 0.0)}


def test_small_grids_borrow_nothing(counts):
    scores = Scores('dice', counts, FOREGROUND)
    for names, seeds in (('ab', SEEDS), ('abcdefg', (0, 1))):
        for name, est in estimated(counts, names, seeds_of=dict.fromkeys(names, seeds)).items():
            assert est == scores.difference(name, 'baseline', seeds) and est.prior_freedom == 0


def test_a_pair_with_fewer_seeds_borrows_in_the_seeds_that_it_has(counts):
    """A cell that failed takes its seed from its own pair alone."""
    whole, found = estimated(counts, 'abcdef'), None
    del counts.cells['g__seed2']
    found = estimated(counts, seeds_of=dict(g=(0, 1)))
    assert found['g'].n_seeds == 2 and found['g'].lenders == 0  # two seeds, eight trainings
    assert found['a'].lenders == 7 and found['a'].variance_seeds == whole['a'].variance_seeds


def test_a_training_that_has_learned_nothing_does_not_lend(counts):
    assert estimated(counts, 'abcdef', left_out=[])['a'].lenders == 7
    pairs = [Pair(name, 'baseline', SEEDS, not_learned=name == 'f') for name in 'abcdef']
    usable = counts.cells.keys() - {'f__seed1'}
    trainings = Trainings(['baseline', *'abcdef'], {}, usable, SEEDS)
    found = estimate_differences(pairs, Scores('dice', counts, FOREGROUND), trainings)
    assert [est.lenders for est in found] == [6] * 5 + [0]


def test_trainings_of_equal_scores_lend_once(counts):
    for seed in SEEDS:
        counts.cells[f'g__seed{seed}'] = counts.cells[f'a__seed{seed}']
    assert {est.lenders for est in estimated(counts).values()} == {7}


def test_the_stack_with_the_fewest_techniques_stands_for_its_training(counts):
    weights = {f'{name}__seed{seed}': f'w{seed}' for name in ('a+b', 'a', 'a+c') for seed in SEEDS}
    usable = {f'{name}__seed{seed}' for name in ('a+b', 'a', 'a+c', 'baseline') for seed in SEEDS}
    arms = Trainings(['a+b', 'a+c', 'a', 'baseline'], weights, usable, SEEDS).arms(SEEDS)
    assert list(arms.values()) == ['baseline', 'a'] and arms['w0', 'w1', 'w2'] == 'a'


def test_only_groups_with_a_scored_image_count(counts):
    """Images without foreground in truth and prediction have no Dice: the group shows nothing."""
    for part in counts.cells.values():
        part.area[GROUPS == 3, 1] = 0
    est = Scores('dice', counts, FOREGROUND).difference('a', 'baseline', SEEDS)
    assert est.effective_groups == pytest.approx(3)
    rest = Counts(
        {name: CellCounts(*(values[GROUPS < 3] for values in part)) for name, part in counts.cells.items()},
        counts.images[:9],
        GROUPS[GROUPS < 3],
    )
    alone = Scores('dice', rest, FOREGROUND).difference('a', 'baseline', SEEDS)
    assert est.value == pytest.approx(alone.value) and est.variance_groups == pytest.approx(alone.variance_groups)
    # Pooled scores have pixels of the background there.
    assert Scores('miou', counts, FOREGROUND).difference('a', 'baseline', SEEDS).effective_groups == pytest.approx(4)


def test_a_reference_with_more_seeds_tells_how_far_it_varies(counts):
    """The others have three of its nine seeds. In the other six it is far off, which the three do not show."""
    rng = np.random.default_rng(5)
    calm = estimated(counts)['a']
    further = {f'baseline__seed{seed}': cell(rng, 0.8 + rng.choice([-0.1, 0.1])) for seed in range(3, 9)}
    counts = counts._replace(cells=counts.cells | further)
    pairs = [Pair(name, 'baseline', SEEDS) for name in 'abcdefg']
    trainings = Trainings(['baseline', *'abcdefg'], {}, counts.cells.keys(), range(9))
    wild = estimate_differences(pairs, Scores('dice', counts, FOREGROUND), trainings)[0]
    assert (wild.value, wild.n_seeds, wild.lenders) == (calm.value, 3, 8)
    assert wild.variance_seeds > 3 * calm.variance_seeds
