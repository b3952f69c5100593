import numpy as np
import pytest

from benchmarks.analysis.response import chance_near_best, smoother

SIMPLEX = [
    (2, 0.5, 0.5),
    (0.5, 2, 0.5),
    (0.5, 0.5, 2),
    (1.25, 1.25, 0.5),
    (1.25, 0.5, 1.25),
    (0.5, 1.25, 1.25),
    (1, 1, 1),
]


def test_a_parabola_is_its_own_surface():
    values = np.arange(6.0)[:, None]
    parabola = 80 - (values[:, 0] - 2) ** 2
    assert np.allclose(smoother(values) @ parabola, parabola)


def test_a_wide_range_enters_by_its_logarithm_and_a_narrow_one_does_not():
    wide = np.array([0.01, 0.1, 1, 10, 100])[:, None]
    assert np.allclose(smoother(wide) @ np.log(wide[:, 0]) ** 2, np.log(wide[:, 0]) ** 2)
    narrow = np.array([1.0, 2, 3, 4, 5])[:, None]
    assert not np.allclose(smoother(narrow) @ np.log(narrow[:, 0]) ** 2, np.log(narrow[:, 0]) ** 2, atol=1e-3)


def test_a_surface_is_a_projection_that_takes_noise_away():
    values = np.random.default_rng(0).uniform(1, 5, (15, 2))
    matrix = smoother(values)
    assert np.allclose(matrix @ matrix, matrix) and np.trace(matrix) == pytest.approx(6)


def test_weights_that_sum_to_one_have_a_surface_of_six_coefficients():
    assert np.trace(smoother(np.array(SIMPLEX))) == pytest.approx(6)


@pytest.mark.parametrize('values', [[[1.0], [2.0], [3.0]], SIMPLEX[:6]])
def test_no_surface_where_it_would_pass_through_all_points(values):
    assert smoother(np.array(values)) is None


def test_the_chance_to_be_near_the_best_by_hand():
    draws = np.array([[80.0, 79.6, 70.0], [79.0, 80.0, 79.6]])
    assert chance_near_best(draws, 0.5).tolist() == [0.5, 1.0, 0.5]
