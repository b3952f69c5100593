"""What moved between two runs: paired where the images and seeds are the same, by the variances of both elsewhere."""

import numpy as np
import pytest

from benchmarks.analysis.resampling import Estimate, estimate, half_width, interval, p_value
from benchmarks.analysis.two_grids import difference


def score(rng, seeds, groups, level=80.0):
    """A score of a run: seeds and groups of images, each with an effect of its own."""
    of_seed, of_group = rng.normal(0, 1, seeds), rng.normal(0, 2, groups)
    full = level + of_seed + of_group.mean()
    without = level + of_seed[:, None] + (of_group.sum() - of_group) / (groups - 1)
    return estimate(full, without, np.full(groups, 7.0))


def test_variances_add_and_the_sign_is_after_minus_before():
    rng = np.random.default_rng(0)
    one, other = score(rng, 3, 8, 85.0), score(rng, 4, 6)
    found = difference(one, other)
    assert found.value == pytest.approx(one.value - other.value)
    assert found.variance_groups == pytest.approx(one.variance_groups + other.variance_groups)
    assert found.variance_seeds == pytest.approx(one.variance_seeds + other.variance_seeds)
    assert half_width(found, 0.05) > max(float(np.sqrt(est.variance_groups)) for est in (one, other))
    back = difference(other, one)
    assert back.value == -found.value and p_value(back) == p_value(found)
    low, high = interval(found, 0.05, (-100.0, 100.0))
    assert low < found.value < high and (p_value(found) < 0.05) == (low > 0 or high < 0)


def test_freedom_lies_between_that_of_the_poorer_side_and_that_of_both():
    rng = np.random.default_rng(1)
    for _ in range(20):
        found = difference(score(rng, 3, 8), score(rng, 5, 8))
        assert 2 <= found.n_seeds - 1 + found.prior_freedom <= 6 + 1e-9
        assert 7 <= found.effective_groups - 1 <= 14 + 1e-9


def test_one_seed_tells_nothing_of_new_seeds():
    rng = np.random.default_rng(2)
    found = difference(score(rng, 1, 8), score(rng, 3, 8))
    assert not found.seeds_covered and found.variance_seeds == 0


def test_two_equal_scores_without_any_variance_do_not_differ():
    flat = Estimate(np.asarray(80.0), np.asarray(0.0), np.asarray(0.0), np.asarray(8.0), 3)
    assert p_value(difference(flat, flat)) == 1.0


@pytest.mark.parametrize(('seeds', 'groups'), [((3, 3), (8, 8)), ((2, 5), (6, 20))])
def test_runs_that_differ_by_chance_are_rarely_called_different(seeds, groups):
    rng = np.random.default_rng(3)
    ps = [p_value(difference(score(rng, seeds[0], groups[0]), score(rng, seeds[1], groups[1]))) for _ in range(600)]
    assert np.mean(np.array(ps) < 0.05) <= 0.065  # 600 draws of 5 %: standard error 0.9 %
