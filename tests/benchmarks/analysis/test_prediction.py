"""The prediction interval of a further seed: a case by hand, its coverage, and where there is none."""

import numpy as np
import pytest

from benchmarks.analysis.prediction import prediction_interval


def test_a_case_by_hand():
    # m = 2, s = 1, n = 3: t(2, 0.975) = 4.302653, times sqrt(4 / 3)
    low, high = prediction_interval([1.0, 2.0, 3.0])
    assert (low, high) == (pytest.approx(2 - 4.302653 * (4 / 3) ** 0.5), pytest.approx(2 + 4.302653 * (4 / 3) ** 0.5))


@pytest.mark.parametrize('scores', [[], [80.0], [80.0, 81.0], [80.0, 81.0, float('nan')]])
def test_few_or_undefined_scores_give_none(scores):
    assert prediction_interval(scores) is None


@pytest.mark.parametrize('n', [3, 5])
def test_it_holds_a_further_seed_in_95_of_100_grids(n):
    draws = np.random.default_rng(3).normal(80, 2, (4000, n + 1))
    held = np.mean([prediction_interval(row[:n]).holds(row[n]) for row in draws[:2000]])
    assert 0.935 < held < 0.965


def test_nan_lies_in_no_interval():
    assert not prediction_interval([1.0, 2.0, 3.0]).holds(float('nan'))
