import numpy as np
import pytest
from scipy import stats

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.differences import Scores
from benchmarks.analysis.false_claims import false_claim_chance
from benchmarks.analysis.pairs import Facts
from benchmarks.analysis.resampling import Estimate
from benchmarks.analysis.verdicts import METRICS, compare, p_of_equivalence, verdict

FOREGROUND = np.array([1])
GROUPS = np.repeat(np.arange(6), 4)


def cell(level, seed, noise=0.01):
    """Counts of 24 images of two classes whose foreground recall is about ``level``."""
    recall = np.clip(level + np.random.default_rng([seed, 7]).normal(0, noise, len(GROUPS)), 0, 1)
    difficulty = np.random.default_rng(8).normal(0, 0.03, 6)[GROUPS]
    tp = np.round(1000 * np.clip(recall + difficulty, 0, 1)).astype(np.int64)
    area = np.stack([np.stack([9000 + 0 * tp, 1000 - tp, 0 * tp], 1), np.stack([tp, 0 * tp, 1000 - tp], 1)], 1)
    return CellCounts(area, area // 10, area[..., :2] // 10, *np.full((2, *area.shape[:2]), np.nan))


def counts_of(**levels):
    """Counts of stacks; each given as the levels of its seeds, None where the cell failed."""
    cells = {
        f'{stack}__seed{seed}': cell(level, [seed, index])
        for index, (stack, seeds) in enumerate(levels.items())
        for seed, level in enumerate(seeds)
        if level is not None
    }
    return Counts({name: part for name, part in cells.items()}, [f'i{n}' for n in range(len(GROUPS))], GROUPS)


def judge(counts, *pairs, design='cumulative', margin=1.0):
    comparisons = [dict(design=design, stack=stack, reference=reference) for stack, reference in pairs]
    return compare(comparisons, counts, Facts(), range(3), FOREGROUND, margin)


def by_metric(rows, metric='dice'):
    return [row for row in rows if row['metric'] == metric]


def test_gain_and_loss_are_mirror_images():
    counts = counts_of(baseline=(0.80, 0.805, 0.795), better=(0.86, 0.865, 0.855))
    gain, loss = by_metric(judge(counts, ('better', 'baseline'), ('baseline', 'better')))
    assert gain['verdict'] == 'gain' and loss['verdict'] == 'loss'
    assert gain['delta'] == -loss['delta'] > 0
    assert (gain['low'], gain['high']) == (-loss['high'], -loss['low'])
    assert gain['n_seeds'] == 3 and gain['n_images'] == 24 and gain['n_groups'] == 6


def test_every_metric_is_judged_in_order():
    rows = judge(counts_of(baseline=(0.8, 0.8, 0.8), better=(0.9, 0.9, 0.9)), ('better', 'baseline'))
    assert [row['metric'] for row in rows] == list(METRICS)
    assert {row['verdict'] for row in rows} == {'gain'}


def test_equal_arms_are_equivalent_within_a_wide_margin_and_undecided_within_a_narrow_one():
    counts = counts_of(baseline=(0.80, 0.80, 0.80), same=(0.80, 0.80, 0.80))
    assert by_metric(judge(counts, ('same', 'baseline'), margin=2.0))[0]['verdict'] == 'equivalent'
    assert by_metric(judge(counts, ('same', 'baseline'), margin=0.01))[0]['verdict'] == 'undecided'
    assert by_metric(judge(counts, ('same', 'baseline'), margin=0))[0]['verdict'] == 'undecided'


def test_equivalence_looks_at_the_90_percent_interval():
    # Plain t intervals of one level: t(7) = 1.895 at 90 %, 2.365 at 95 %.
    est = Estimate(np.array(0.1), np.array(0.25), np.array(0.0), np.array(8.0), 3)
    wide, narrow = (float(p_of_equivalence([est], 0.1 + 0.5 * t)[0]) for t in (1.9, 1.89))
    assert (verdict(est, 0.8, wide), verdict(est, 0.8, narrow)) == ('equivalent', 'undecided')


def test_a_noop_is_not_effective_and_has_no_delta():
    counts = counts_of(baseline=(0.80, 0.81, 0.79), better=(0.9, 0.9, 0.9))
    for seed in range(3):
        counts.cells[f'noop__seed{seed}'] = counts.cells[f'baseline__seed{seed}']
    noop, better = by_metric(judge(counts, ('noop', 'baseline'), ('better', 'baseline')))
    assert noop['verdict'] == 'not effective'
    assert np.isnan([noop[name] for name in ('delta', 'low', 'high', 'p', 'p_corrected')]).all()
    # Nothing was tested there, so it costs the other comparison nothing.
    assert better['p_corrected'] == better['p']


def test_one_differing_pixel_makes_it_effective():
    counts = counts_of(baseline=(0.80, 0.81, 0.79))
    for seed in range(3):
        counts.cells[f'almost__seed{seed}'] = counts.cells[f'baseline__seed{seed}']
    area = counts.cells['baseline__seed2'].area.copy()
    area[3, 1] += (1, 0, -1)
    counts.cells['almost__seed2'] = counts.cells['baseline__seed2']._replace(area=area)
    assert by_metric(judge(counts, ('almost', 'baseline')))[0]['verdict'] == 'equivalent'


def test_delta_uses_shared_seeds_only():
    # Seed 0 of the reference is far off and must not enter: its partner failed.
    counts = counts_of(baseline=(0.20, 0.80, 0.80), better=(None, 0.90, 0.90))
    row = by_metric(judge(counts, ('better', 'baseline')))[0]
    assert row['n_seeds'] == 2
    assert row['delta'] == pytest.approx(
        Scores('dice', counts, FOREGROUND).difference('better', 'baseline', (1, 2)).value
    )
    assert 3 < row['delta'] < 9


def test_missing_when_a_side_has_nothing_or_nothing_is_shared():
    counts = counts_of(baseline=(0.8, None, 0.8), gone=(None, None, None), other=(None, 0.8, None))
    for row in judge(counts, ('gone', 'baseline'), ('baseline', 'gone'), ('other', 'baseline')):
        assert row['verdict'] == 'missing' and row['n_seeds'] == 0 and np.isnan(row['delta'])


def test_one_seed_shows_an_interval_but_no_verdict():
    counts = counts_of(baseline=(0.60, None, None), better=(0.95, 0.95, None))
    row = by_metric(judge(counts, ('better', 'baseline')))[0]
    assert row['low'] > 10
    assert row['verdict'] == 'undecided' and not row['seeds_covered']
    assert np.isnan(row['p']) and np.isnan(row['p_corrected'])


def test_one_seed_decides_what_these_checkpoints_gain():
    counts = counts_of(baseline=(0.60, None, None), better=(0.95, None, None), same=(0.60, None, None))
    better, same = by_metric(judge(counts, ('better', 'baseline'), ('same', 'baseline'), margin=2.0))
    assert better['checkpoints_verdict'] == 'gain' and better['checkpoints_p_corrected'] < 0.05
    assert same['checkpoints_verdict'] == 'equivalent'
    assert (better['checkpoints_low'], better['checkpoints_high']) == (better['low'], better['high'])


def test_this_model_gains_where_another_training_may_not():
    """The seeds disagree, and each of the networks is far ahead on every group of images."""
    counts = counts_of(baseline=(0.60, 0.60, 0.60), better=(0.62, 0.75, 0.95))
    row = by_metric(judge(counts, ('better', 'baseline')))[0]
    assert (row['verdict'], row['checkpoints_verdict']) == ('undecided', 'gain')
    assert row['low'] < 0 < row['checkpoints_low'] and row['share_of_seeds'] > 0.9
    assert row['limited_by'] == 'seeds'


def test_both_verdicts_have_the_chance_that_they_are_false():
    levels = (0.80, 0.805, 0.795)
    counts = counts_of(baseline=levels, same=levels, better=(0.86, 0.865, 0.855))
    same, better = by_metric(judge(counts, ('same', 'baseline'), ('better', 'baseline'), margin=2.0))
    scores = Scores('dice', counts, FOREGROUND)
    for row, claim, stack in ((same, 'equivalent', 'same'), (better, 'gain', 'better')):
        assert row['verdict'] == row['checkpoints_verdict'] == claim
        est = scores.difference(stack, 'baseline', (0, 1, 2))
        assert row['checkpoints_false_claim_chance'] == pytest.approx(
            false_claim_chance(claim, est.of_these_checkpoints, 2.0)
        )
        assert row['checkpoints_false_claim_chance'] != row['false_claim_chance'] > 0
    assert np.isnan(by_metric(judge(counts, ('same', 'baseline'), margin=0))[0]['false_claim_chance'])


def test_a_gain_within_the_margin_says_so():
    counts = counts_of(baseline=(0.800, 0.805, 0.795), better=(0.860, 0.865, 0.855))
    inside, outside = (by_metric(judge(counts, ('better', 'baseline'), margin=margin))[0] for margin in (20.0, 1.0))
    assert inside['verdict'] == outside['verdict'] == 'gain'
    assert inside['smaller_than_margin'] and not outside['smaller_than_margin']


def test_one_group_is_undecided():
    counts = counts_of(baseline=(0.6, 0.6, 0.6), better=(0.9, 0.9, 0.9))._replace(groups=np.zeros(24, np.int64))
    row = by_metric(judge(counts, ('better', 'baseline')))[0]
    assert row['verdict'] == 'undecided' and row['delta'] > 10 and np.isnan(row['low'])


def test_correction_is_over_the_distinct_pairs_of_one_metric_whatever_their_designs():
    counts = counts_of(baseline=(0.80, 0.81, 0.79), a=(0.83, 0.82, 0.81), b=(0.82, 0.84, 0.80))
    together = judge(counts, ('a', 'baseline'), ('b', 'baseline'), design='each_alone')
    comparisons = [dict(design=design, stack=stack, reference='baseline') for design, stack in ('xa', 'yb', 'zb')]
    apart = compare(comparisons, counts, Facts(), range(3), FOREGROUND, 1.0)
    for metric in METRICS:
        one, other = by_metric(together, metric)
        assert min(one['p_corrected'], other['p_corrected']) == pytest.approx(2 * min(one['p'], other['p']))
        # A pair that two designs compare counts once, and has one corrected p.
        assert [row['p_corrected'] for row in by_metric(apart, metric)] == [
            one['p_corrected'],
            other['p_corrected'],
            other['p_corrected'],
        ]
        assert {row['family'] for row in by_metric(apart, metric)} == {'primary'}


def test_the_steps_of_cumulative_are_primary_and_all_else_is_screened():
    counts = counts_of(baseline=(0.80, 0.81, 0.79), a=(0.83, 0.82, 0.81), b=(0.82, 0.84, 0.80), c=(0.80, 0.82, 0.80))
    designs = dict(a=('cumulative', 'cumulative_vs_baseline'), b=('cumulative_vs_baseline',), c=('each_alone',))
    comparisons = [
        dict(design=design, stack=stack, reference='baseline') for stack, of in designs.items() for design in of
    ]
    a, again, b, c = by_metric(compare(comparisons, counts, Facts(), range(3), FOREGROUND, 1.0))
    assert [row['family'] for row in (a, again, b, c)] == ['primary', 'primary', 'exploratory', 'exploratory']
    assert a['p_corrected'] == again['p_corrected'] == a['p']  # the only primary one
    assert b['p'] < c['p'] and b['p_corrected'] == pytest.approx(min(2 * b['p'], c['p']))
    chosen = compare(comparisons, counts, Facts(), range(3), FOREGROUND, 1.0, {frozenset(('c', 'baseline'))})
    assert [row['family'] for row in by_metric(chosen)] == ['exploratory'] * 3 + ['primary']
    assert by_metric(chosen)[-1]['p_corrected'] == c['p']


def test_the_corrected_p_decides():
    est = Estimate(np.array(2.0), np.array(0.25), np.array(0.01), np.array(8.0), 3)
    assert verdict(est, 0.049, 1.0) == 'gain'
    assert verdict(est._replace(value=np.array(-2.0)), 0.049, 1.0) == 'loss'
    assert verdict(est, 0.051, 1.0) == 'undecided'


def test_equal_counts_are_not_effective_unless_something_acted():
    counts = counts_of(baseline=(0.8, 0.8, 0.8), cheaper=(0.8, 0.8, 0.8))
    counts.cells.update({f'cheaper__seed{seed}': counts.cells[f'baseline__seed{seed}'] for seed in range(3)})
    comparisons = [dict(design='each_alone', stack='cheaper', reference='baseline')]

    def judged(acted):
        return compare(comparisons, counts, Facts(acted), range(3), FOREGROUND, 1.0)[0]

    assert judged({})['verdict'] == 'not effective'
    never = judged({f'cheaper__seed{seed}': {'train ClipHook': 0} for seed in range(3)})
    assert (never['verdict'], never['idle'], never['acted']) == ('not effective', 'train ClipHook', '')
    worked = judged({f'cheaper__seed{seed}': {'train ClipHook': 5} for seed in range(3)})
    assert (worked['verdict'], worked['delta'], worked['acted']) == ('equivalent', 0.0, 'train ClipHook')
    assert worked['same_counts']


def test_what_the_reference_did_as_often_is_no_evidence():
    counts = counts_of(baseline=(0.8, 0.8), other=(0.8, 0.8))
    counts.cells.update({f'other__seed{seed}': counts.cells[f'baseline__seed{seed}'] for seed in range(2)})
    acted = {f'{stack}__seed{seed}': {'predict Hook': 4} for stack in ('baseline', 'other') for seed in range(2)}
    comparisons = [dict(design='each_alone', stack='other', reference='baseline')]
    assert compare(comparisons, counts, Facts(acted), range(2), FOREGROUND, 1.0)[0]['verdict'] == 'not effective'
    acted['other__seed1'] = {'predict Hook': 5}
    assert compare(comparisons, counts, Facts(acted), range(2), FOREGROUND, 1.0)[0]['verdict'] == 'not effective'
    acted['other__seed0'] = {'predict Hook': 5}
    assert compare(comparisons, counts, Facts(acted), range(2), FOREGROUND, 1.0)[0]['verdict'] != 'not effective'


def test_a_part_that_acts_in_training_is_not_idle_because_it_rests_in_the_test():
    counts = counts_of(baseline=(0.8, 0.8), sampler=(0.8, 0.8))
    comparisons = [dict(design='each_alone', stack='sampler', reference='baseline')]

    def idle(**stages):
        acted = {
            f'sampler__seed{seed}': {f'{stage} Sampler': times for stage, times in stages.items()} for seed in range(2)
        }
        return compare(comparisons, counts, Facts(acted), range(2), FOREGROUND, 1.0)[0]['idle']

    assert idle(train=5, predict=0) == ''
    assert idle(train=0, predict=0) == 'predict Sampler, train Sampler'


def background_everywhere():
    """A cell whose network calls every pixel background; the truth of each image has foreground."""
    area = np.tile(np.array([[9000, 1000, 0], [0, 0, 1000]]), (len(GROUPS), 1, 1))
    return CellCounts(area, area // 10, area[..., :2] // 10, *np.full((2, *area.shape[:2]), np.nan))


def judge_maps(counts, not_learned=(), **maps):
    comparisons = [dict(design='cumulative', stack='other', reference='baseline')]
    by_cell = {f'{stack}__seed{seed}': digest for stack, digest in maps.items() for seed in range(3)}
    return by_metric(compare(comparisons, counts, Facts({}, not_learned, by_cell), range(3), FOREGROUND, 1.0))[0]


def test_two_networks_that_call_everything_background_get_no_verdict():
    counts = counts_of(baseline=(0.8,) * 3, other=(0.8,) * 3)
    counts = counts._replace(cells=dict.fromkeys(counts.cells, background_everywhere()))
    row = judge_maps(counts, counts.cells)
    assert row['verdict'] == 'not learned' and row['same_counts']


def test_one_seed_that_learned_nothing_takes_the_comparison_out_of_the_tests_but_keeps_its_number():
    counts = counts_of(baseline=(0.8, 0.8, 0.8), other=(0.9, 0.9, 0.9), third=(0.9, 0.9, 0.9))
    counts.cells['other__seed1'] = background_everywhere()
    pairs = [dict(design='d', stack=stack, reference='baseline') for stack in ('other', 'third')]
    rows = by_metric(compare(pairs, counts, Facts({}, {'other__seed1'}), range(3), FOREGROUND, 1.0))
    assert [row['verdict'] for row in rows] == ['not learned', 'gain']
    assert np.isnan(rows[0]['p']) and np.isnan(rows[0]['p_corrected']) and rows[0]['delta'] < 0
    assert rows[1]['p_corrected'] == rows[1]['p']  # not part of the family


def test_equal_labels_from_other_maps_are_equivalent_rather_than_not_effective():
    counts = counts_of(baseline=(0.8, 0.8, 0.8))
    counts.cells.update({f'other__seed{seed}': counts.cells[f'baseline__seed{seed}'] for seed in range(3)})
    assert judge_maps(counts, baseline='a', other='a')['verdict'] == 'not effective'
    assert judge_maps(counts, baseline='a', other='b')['verdict'] == 'equivalent'
    assert judge_maps(counts, baseline=None, other='b')['verdict'] == 'not effective'  # an old record


def test_the_p_of_equivalence_is_that_of_two_one_sided_t_tests():
    est = Estimate(np.array(-0.1), np.array(0.25), np.array(0.0), np.array(8.0), 3)
    assert p_of_equivalence([est], 1.0)[0] == pytest.approx(stats.t.sf(0.9 / 0.5, 7), rel=1e-6)
    assert p_of_equivalence([est], 0.05) == 1.0 and np.isnan(p_of_equivalence([est, None], 0.0)).all()
