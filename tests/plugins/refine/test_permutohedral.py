"""The permutohedral lattice against laws of Gaussian filters, and against the full sum of Gaussians."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from plugins.refine.permutohedral import BLOCK, LANES, PermutohedralLattice

RNG = np.random.default_rng(0)


def points(n, d, extent):
    return RNG.uniform(0, extent, (d, n)).astype(np.float32)


def channels(n, lanes=LANES):
    return RNG.normal(size=(n, lanes)).astype(np.float32)


def in_the_plane(width, height, spread):
    y, x = np.indices((height, width)).reshape(2, -1)
    return np.stack([x, y]).astype(np.float32) / np.float32(spread)


@pytest.mark.parametrize('d, extent', [(2, 6), (5, 3)])
def test_points_are_means_of_their_vertices(d, extent):
    lattice = PermutohedralLattice(points(301, d, extent))
    assert lattice.vertices.shape == lattice.weights.shape == (301, d + 1)
    assert lattice.weights.min() > -1e-5
    np.testing.assert_allclose(lattice.weights.sum(1), 1, atol=1e-5)
    assert lattice.vertices.min() == 1 and lattice.vertices.max() <= lattice.size
    assert all(len(set(row)) == d + 1 for row in lattice.vertices.tolist())


@pytest.mark.parametrize('d, extent', [(2, 6), (5, 3)])
def test_neighbours_are_mutual(d, extent):
    lattice = PermutohedralLattice(points(500, d, extent))
    found = 0
    for axis in lattice.neighbours:
        for vertex, (before, after) in enumerate(axis, 1):
            assert not before or axis[before - 1, 1] == vertex
            assert not after or axis[after - 1, 0] == vertex
            found += bool(before)
    assert found > lattice.size / 2


@pytest.mark.parametrize('d, extent', [(2, 6), (5, 3)])
def test_filter_is_linear(d, extent):
    lattice = PermutohedralLattice(points(400, d, extent))
    x, y = channels(400), channels(400)
    expected = 3 * lattice.filter(x) - 0.5 * lattice.filter(y)
    np.testing.assert_allclose(lattice.filter(np.float32(3) * x - np.float32(0.5) * y), expected, atol=2e-4)
    assert np.abs(expected).mean() > 0.5


def test_filter_is_close_to_the_sum_of_gaussians():
    features = in_the_plane(40, 30, 3)
    values = channels(1200)
    squared = ((features[:, :, None] - features[:, None]) ** 2).sum(0)
    expected = np.exp(-squared / 2) @ values
    lattice = PermutohedralLattice(features)
    filtered = lattice.filter(values)
    # The lattice leaves the factor of the Gaussian open: the blurred weights of a point are a mean, not a sum.
    factor = (filtered * expected).sum() / (filtered**2).sum()
    assert np.abs(factor * filtered - expected).mean() < 0.12 * np.abs(expected).mean()


@pytest.mark.parametrize('d, extent', [(2, 20), (5, 4)])
def test_symmetric_scale_normalises_the_constant(d, extent):
    lattice = PermutohedralLattice(points(600, d, extent))
    scale = lattice.symmetric_scale()
    np.testing.assert_allclose(scale**2 * lattice.filter(np.ones((600, LANES), np.float32))[:, 3], 1, rtol=1e-5)


def test_a_point_alone_keeps_its_value_up_to_the_weights():
    features = np.zeros((2, 4), np.float32)
    lattice = PermutohedralLattice(features + np.float32([[50], [7]]))
    values = channels(4)
    scale = lattice.symmetric_scale()
    np.testing.assert_allclose(lattice.filter(values, scale), np.tile(values.mean(0), (4, 1)), atol=1e-5)


def test_the_origin_has_vertices_where_points_are_filled_up_to_fours():
    far = in_the_plane(8, 1, 0.01) + np.float32(300)
    sizes = {n: PermutohedralLattice(np.ascontiguousarray(far[:, :n])).size for n in (1, 2, 3, 4, 7, 8)}
    assert sizes == {1: 6, 2: 9, 3: 12, 4: 12, 7: 24, 8: 24}  # three for each point, and three for the origin


@pytest.mark.parametrize('lanes', [LANES, 3 * LANES])
def test_lanes_are_filtered_independently_bit_for_bit(lanes):
    features = points(700, 5, 3)
    lattice = PermutohedralLattice(features)
    values, scale = channels(700, lanes), lattice.symmetric_scale()
    expected = np.concatenate(
        [lattice.filter(np.ascontiguousarray(values[:, c : c + LANES]), scale) for c in range(0, lanes, LANES)], axis=1
    )
    np.testing.assert_array_equal(lattice.filter(values, scale), expected)


def test_threads_build_the_same_lattice():
    features = in_the_plane(200, 3 * BLOCK // 200, 2.5)
    alone = PermutohedralLattice(features)
    with ThreadPoolExecutor(3) as pool:
        together = PermutohedralLattice(features, pool)
    for name in ('vertices', 'weights', 'neighbours'):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


def test_vertices_are_shared_between_blocks_of_points():
    features = np.zeros((2, BLOCK + 8), np.float32)
    assert PermutohedralLattice(features).size == 3


def test_order_of_points_changes_results_by_rounding_alone():
    features, values = points(800, 5, 3), channels(800)
    order = RNG.permutation(800)
    shuffled = PermutohedralLattice(np.ascontiguousarray(features[:, order])).filter(values[order])
    np.testing.assert_allclose(shuffled, PermutohedralLattice(features).filter(values)[order], atol=1e-4)


@pytest.mark.parametrize(
    'features, culprit',
    [
        (np.zeros((3, 8), np.float32), '3 dimensions'),
        (np.full((2, 8), np.inf, np.float32), 'not finite'),
        (np.full((5, 8), np.nan, np.float32), 'not finite'),
        (np.float32([0, 1e6])[None].repeat(2, 0), 'larger spreads'),
        (np.float32([0, 1e4])[None].repeat(5, 0), 'larger spreads'),
        (np.full((2, 4), 1e7, np.float32), 'larger spreads'),
    ],
)
def test_wrong_features_are_named(features, culprit):
    with pytest.raises(ValueError, match=culprit):
        PermutohedralLattice(features)


@pytest.mark.parametrize('values', [channels(9, LANES - 1), channels(9).astype(float), np.asfortranarray(channels(9))])
def test_rows_that_the_kernels_cannot_take_are_named(values):
    with pytest.raises(ValueError, match='multiple of 8 lanes'):
        PermutohedralLattice(points(9, 2, 3)).filter(values)
