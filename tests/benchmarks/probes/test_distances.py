"""Distances between contours equal those between all pairs of points, wherever the points lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from benchmarks.probes.contours import CONVENTIONS, Contours, contours
from benchmarks.probes.distances import SurfaceDistances, distances_between


def scattered(rng, counts, shape):
    """Contours of as many points as ``counts`` says per class, in reading order."""
    places = [np.sort(rng.choice(shape[0] * shape[1], n, replace=False)) for n in counts]
    points = np.stack(np.divmod(np.concatenate(places).astype(np.int64), shape[1]), axis=1).astype(np.int32)
    return Contours(points, np.concatenate([[0], np.cumsum(counts)]))


def nearest_of_all(points, goals):
    offsets = points[:, None].astype(np.int64) - goals[None]
    return np.sqrt((offsets**2).sum(axis=2).min(axis=1)) if len(goals) else np.full(len(points), np.inf)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_scattered_points(data):
    shape = data.draw(st.sampled_from([(1, 1), (1, 40), (40, 1), (6, 200), (200, 6), (60, 50)]))
    number = st.lists(st.integers(0, min(12, shape[0] * shape[1])), min_size=3, max_size=3)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    pred, target = (scattered(rng, data.draw(number), shape) for _ in range(2))
    for c, measured in enumerate(distances_between(pred, target)):
        own, other = (found.points[found.first[c] : found.first[c + 1]] for found in (pred, target))
        np.testing.assert_array_equal(measured.pred_to_target, nearest_of_all(own, other))
        np.testing.assert_array_equal(measured.target_to_pred, nearest_of_all(other, own))


def test_points_far_outside_of_the_goals_box():
    goals = Contours(np.array([[50, 50], [50, 52], [53, 51]], np.int32), np.array([0, 3]))
    around = np.array([(r, c) for r in (0, 49, 51, 60, 300) for c in (0, 49, 51, 60, 300)], np.int32)
    (measured,) = distances_between(Contours(around, np.array([0, len(around)])), goals)
    np.testing.assert_array_equal(measured.pred_to_target, nearest_of_all(around, goals.points))


@pytest.mark.slow
@pytest.mark.parametrize('rows', [2**15 - 1, 2**15, 70_000])
def test_images_taller_than_16_bits_can_count(rows):
    ends = Contours(np.array([[0, 0], [rows - 1, 2]], np.int32), np.array([0, 2]))
    between = Contours(np.array([[0, 1], [rows // 2, 1], [rows - 2, 1]], np.int32), np.array([0, 3]))
    (measured,) = distances_between(between, ends)
    np.testing.assert_array_equal(measured.pred_to_target, nearest_of_all(between.points, ends.points))
    (measured,) = distances_between(ends, Contours(ends.points[:1], np.array([0, 1])))
    assert measured.pred_to_target[1] == np.sqrt((rows - 1) ** 2 + 4)


@pytest.mark.parametrize('convention', CONVENTIONS)
def test_all_classes_at_once_are_each_class_alone(convention):
    rng = np.random.default_rng(3)
    pred, target = np.kron(rng.integers(0, 5, (2, 9, 14)), np.ones((4, 4))).astype(np.uint8)  # 4 is no class
    pred[rng.random(pred.shape) < 0.05] = 1
    together = distances_between(contours(pred, 4, convention), contours(target, 4, convention))
    assert len(together) == 4
    for c, measured in enumerate(together):
        (alone,) = distances_between(
            *(contours((labels != c).astype(np.uint8), 1, convention) for labels in (pred, target))
        )
        for one, other in zip(measured, alone):
            np.testing.assert_array_equal(one, other)
        assert (measured.pred_lengths is None) == (convention == 'edge')


def test_a_large_map_equals_a_tree_search():
    rng = np.random.default_rng(4)
    pred, target = np.kron(rng.integers(0, 3, (2, 6, 9)), np.ones((40, 40))).astype(np.uint8)
    pred[rng.random(pred.shape) < 0.001] = 2
    found, true = contours(pred, 3), contours(target, 3)
    for c, measured in enumerate(distances_between(found, true)):
        own, other = (of.points[of.first[c] : of.first[c + 1]] for of in (found, true))
        np.testing.assert_array_equal(measured.pred_to_target, KDTree(other).query(own)[0])


def test_the_weighted_percentile_is_the_shortest_distance_that_covers_95_percent_of_the_length():
    lengths = np.array([1.0] * 18 + [np.sqrt(0.5), np.sqrt(2)])
    distances = np.arange(20.0)
    measured = SurfaceDistances(distances, np.zeros(1), lengths, np.ones(1))
    assert measured.hd95_px == 19.0  # 18.707 of 20.121 end before the last one: 93 %
    assert measured._replace(pred_lengths=np.ones(20)).hd95_px == 18.0
