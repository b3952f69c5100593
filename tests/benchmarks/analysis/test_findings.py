import numpy as np
import pytest

from benchmarks.analysis.findings import intervals_at, judged, of_these_checkpoints, verdicts_of
from benchmarks.analysis.resampling import Estimate, interval, p_value
from benchmarks.analysis.spending import Look, nominal_levels, repeated_p


def est(value, variance=0.01, seeds=3):
    return Estimate(np.float64(value), np.float64(variance), np.float64(variance), np.float64(8), seeds)


def test_verdicts_of_a_family():
    found = judged([est(3), est(-3), est(0, 0.0001), est(0.4), None, est(3, seeds=1)], margin=0.5)
    assert [finding.verdict for finding in found] == ['gain', 'loss', 'equivalent', 'undecided', 'missing', 'undecided']
    assert np.isnan(found[-1].p) and np.isnan(found[-2].value) and found[0].low < 3 < found[0].high


def test_more_tests_make_a_gain_harder_to_show():
    gain = est(0.9)
    alone, among = judged([gain], 0.5)[0], judged([gain, *[est(0.01)] * 30], 0.5)[0]
    assert (alone.verdict, among.verdict) == ('gain', 'undecided') and alone.p == among.p


def test_what_has_not_learned_is_shown_but_not_tested():
    found = judged([est(30), est(1)], 0.5, learned=[False, True])
    assert found[0].verdict == 'not learned' and found[0].value == 30 and np.isnan(found[0].p)
    assert found[1].p_corrected == pytest.approx(found[1].p)


def test_verdicts_alone_are_those_with_p_values():
    rng = np.random.default_rng(0)
    estimates = [est(value, rng.uniform(0.0001, 0.02)) for value in rng.normal(0, 3, 60)] + [None, est(3, seeds=1)]
    found = verdicts_of(estimates, margin=0.5)
    assert found == [finding.verdict for finding in judged(estimates, 0.5)]
    assert {'gain', 'loss', 'equivalent', 'undecided', 'missing'} == set(found)


@pytest.mark.parametrize('part', ['variance_groups', 'variance_seeds', 'variance_folds'])
def test_an_undefined_variance_is_not_tested_and_does_not_count(part):
    undefined = est(3)._replace(n_folds=4, **{part: np.float64(np.nan)})
    family = [undefined, est(0.9), est(0.1)]
    found, without = judged(family, 0.5), judged(family[1:], 0.5)
    assert np.isnan(found[0].p) and found[0].verdict == 'undecided'
    assert [one.p_corrected for one in found[1:]] == [one.p_corrected for one in without]
    assert verdicts_of(family, 0.5) == [one.verdict for one in found]


@pytest.mark.parametrize('value', [0.0, 0.1, 1.0, 9.0])
@pytest.mark.parametrize('seeds', [1, 3])
def test_of_these_checkpoints_only_other_images_are_asked_about(value, seeds):
    found = of_these_checkpoints(est(value, 0.3, seeds))
    assert judged([found], 0.5)[0].p == pytest.approx(p_value(found), rel=1e-6)
    assert judged([found], 0.5)[0].low >= judged([est(value, 0.3, seeds)], 0.5)[0].low
    assert of_these_checkpoints(None) is None


LOOKS = (2, 3, 4, 5)


def test_an_estimate_is_judged_at_its_look():
    """Seeds that were added until something was decided: what is found then allows for the looks before."""
    gain, look = est(0.7), Look(LOOKS, 1)
    fixed, (seen,) = judged([gain], 0.0)[0], judged([gain], 0.0, at=[look])
    assert (fixed.verdict, seen.verdict) == ('gain', 'undecided') and seen.p == fixed.p
    assert seen.p_corrected == pytest.approx(repeated_p(fixed.p, 1, LOOKS))
    level = nominal_levels(0.05, LOOKS)[1]
    assert (seen.low, seen.high) == pytest.approx(interval(gain, level, (-100, 100)))
    assert intervals_at([gain, None, gain], [look, look, Look()]) == pytest.approx(
        np.array([(seen.low, seen.high), (np.nan, np.nan), (fixed.low, fixed.high)]), nan_ok=True
    )


def test_equivalence_allows_for_the_looks_too():
    small = est(0.03, 0.004, seeds=5)
    assert judged([small], 0.3)[0].verdict == 'equivalent'
    assert judged([small], 0.3, at=[Look(LOOKS, 0)])[0].verdict == 'undecided'


def test_verdicts_alone_are_those_with_p_values_at_every_look():
    rng = np.random.default_rng(1)
    estimates = [est(value, rng.uniform(0.0001, 0.02), 5) for value in rng.normal(0, 3, 60)] + [None]
    at = [Look(LOOKS, int(index)) for index in rng.integers(0, 4, 61)]
    found = verdicts_of(estimates, 0.5, at)
    assert found == [finding.verdict for finding in judged(estimates, 0.5, at=at)] != verdicts_of(estimates, 0.5)
