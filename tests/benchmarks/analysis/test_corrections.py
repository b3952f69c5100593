"""Corrections for many comparisons, and the families that are corrected together."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.corrections import benjamini_hochberg, corrected, holm
from benchmarks.analysis.families import pair_of, primary_by_default


def comparison(design, stack, reference='baseline'):
    return dict(design=design, stack=stack, reference=reference)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.04, np.nan, 0.01]), [0.04, np.nan, 0.02])
    assert holm([]).shape == (0,)


def test_benjamini_hochberg_is_that_of_scipy_and_leaves_out_what_was_not_tested():
    p = np.random.default_rng(0).random(20) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    with_gap = benjamini_hochberg([*p[:7], np.nan, *p[7:]])
    np.testing.assert_allclose(np.delete(with_gap, 7), benjamini_hochberg(p))
    assert np.isnan(with_gap[7]) and benjamini_hochberg([]).shape == (0,)


def test_each_family_is_corrected_by_itself():
    p = {pair_of(comparison('x', name)): value for name, value in zip('abcd', (0.01, 0.02, 0.03, 0.04))}
    pairs = list(p)
    found = corrected(p, pairs[:2])
    assert [found[pair] for pair in pairs] == pytest.approx([0.02, 0.02, 0.04, 0.04])


def test_the_steps_of_cumulative_are_primary_by_default_and_all_pairs_without_any():
    steps = [comparison('cumulative', 'a'), comparison('cumulative', 'a+b', 'a')]
    others = [comparison('cumulative_vs_baseline', 'a+b'), comparison('cumulative@noise', 'a+noise', 'noise')]
    assert primary_by_default([*steps, *others]) == {pair_of(step) for step in steps}
    assert primary_by_default(others) == {pair_of(other) for other in others}
    grid_tests = [comparison('aa', 'baseline_again'), comparison('positive_control', 'third_of_steps')]
    assert primary_by_default([*others, *grid_tests]) == primary_by_default(others)


def test_which_stack_is_the_reference_changes_no_pair():
    assert pair_of(comparison('x', 'a', 'b')) == pair_of(comparison('y', 'b', 'a'))
