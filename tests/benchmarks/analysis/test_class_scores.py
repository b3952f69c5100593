"""Scores of a class and medians by hand, and how honest the interval of a median is."""

import sys

import numpy as np
import pytest

from benchmarks.analysis.class_scores import dice_per_image_of, median_without_groups, pooled_dice_of
from benchmarks.analysis.counts import CellCounts
from benchmarks.analysis.resampling import estimate, half_width, leave_one_group_out

NOTHING = np.full((3, 2), np.nan)


def cell(*of_images):
    """Counts of two classes; ``of_images`` are (tp, fp, fn) of class 1 in each image."""
    area = np.array([[(50, 0, 0), counts] for counts in of_images])
    return CellCounts(area, area, area[..., :2], NOTHING, NOTHING)


@pytest.mark.parametrize(
    'score, expected',
    [
        (pooled_dice_of(1), 100 * 2 * 35 / (2 * 35 + 5 + 20)),
        (dice_per_image_of(1), 100 * (60 / 75 + 10 / 20) / 2),  # the third image shows nothing of it
    ],
)
def test_scores_of_a_class_by_hand(score, expected):
    counts = cell((30, 5, 10), (5, 0, 10), (0, 0, 0))
    addends = score.addends(counts, np.array([1]))
    assert float(score.finish(addends.sum(axis=0))) == pytest.approx(expected)
    assert score.weights(addends).tolist() == [1, 1, 0]


@pytest.mark.parametrize('score', [pooled_dice_of(1), dice_per_image_of(1)])
def test_a_class_that_is_nowhere_has_no_score(score):
    addends = score.addends(cell((0, 0, 0), (0, 0, 0)), np.array([1]))
    assert np.isnan(score.finish(addends.sum(axis=0)))


def test_a_class_that_is_predicted_but_never_annotated_has_no_pooled_score():
    addends = pooled_dice_of(1).addends(cell((0, 9, 0), (0, 0, 0)), np.array([1]))
    assert np.isnan(pooled_dice_of(1).finish(addends.sum(axis=0)))


def test_the_median_is_that_of_numpy_and_groups_move_it_towards_the_others():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan, 9.0])
    found = median_without_groups(values, np.array([0, 0, 1, 1, 2, 2, 3]), 5)
    assert found.full == 3.5 and found.sizes.tolist() == [2, 2, 1, 1, 0]
    # Without the two low ones it rises, without a high one it falls, and a group on both sides moves nothing.
    assert found.without[0] > 3.5 > found.without[2] and found.without[1] == found.without[4] == 3.5


def test_medians_of_nothing_and_of_one_group():
    assert np.isnan(median_without_groups(np.full(3, np.nan), np.array([0, 1, 2]), 3).full)
    alone = median_without_groups(np.array([1.0, 2.0]), np.array([0, 0]), 1)
    assert alone.full == 1.5 and np.isnan(alone.without[0])


def coverage(median, groups, per_group, skewed, experiments, rng):
    """Percent of test sets whose 95 % interval for these checkpoints holds the true median, or mean."""
    inside = 0
    of_image = np.repeat(np.arange(groups), per_group)
    centre, spread = (0.0, 1.0) if not skewed else (np.exp(0.32), 0.8)
    for _ in range(experiments):
        values = rng.normal(0, 0.5, groups)[of_image]  # images of a group are alike
        noise = rng.normal(0, spread, len(of_image))
        values = values + (np.exp(noise) - (1.0 if median else centre) if skewed else noise)
        if median:
            full, without, sizes, _ = median_without_groups(values, of_image, groups)
        else:
            addends = np.stack([values, np.ones_like(values)], axis=1)
            full, without = leave_one_group_out(addends, of_image, lambda sums: sums[..., 0] / sums[..., 1])
            sizes = np.full(groups, float(per_group))
        est = estimate(np.array([full]), without[None], sizes)
        truth = MEDIANS[skewed] if median else 0.0
        inside += abs(float(est.value) - truth) <= float(half_width(est, 0.05))
    return 100 * inside / experiments


# The median of a normal group effect plus the noise less its own median; the sum is skewed in the second world.
MEDIANS = {
    False: 0.0,
    True: float(
        np.median(
            np.random.default_rng(0).normal(0, 0.5, 2_000_000)
            + np.exp(np.random.default_rng(1).normal(0, 0.8, 2_000_000))
            - 1
        )
    ),
}
SETTINGS = [(8, 1), (8, 7), (20, 1), (20, 5), (60, 1), (60, 5)]


@pytest.mark.parametrize('skewed', [False, True])
@pytest.mark.parametrize('groups, per_group', [(8, 7), (20, 1), (20, 5)])
def test_the_interval_of_a_median_is_nearly_as_honest_as_that_of_a_mean(groups, per_group, skewed):
    assert coverage(True, groups, per_group, skewed, 500, np.random.default_rng(5)) > 90


if __name__ == '__main__':
    rng = np.random.default_rng(7)
    for skewed in (False, True):
        for groups, per_group in SETTINGS:
            found = [coverage(median, groups, per_group, skewed, int(sys.argv[1]), rng) for median in (False, True)]
            print('skewed' if skewed else 'normal', groups, per_group, found, flush=True)
