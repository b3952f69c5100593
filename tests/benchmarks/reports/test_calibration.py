"""Overconfidence by hand, and told of the rows that have it alone."""

import numpy as np
import pytest

from benchmarks.analysis.calibration import HIGH, LOW, of_stack, overconfidence
from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.strata_counts import CellStrata
from benchmarks.data.strata import BINS, CONFIDENT
from benchmarks.record import stack_name
from benchmarks.reports.calibration import calibration_answer, calibration_table
from benchmarks.reports.results import Results

N = 24
GROUPS = np.repeat(np.arange(8), 3)
MIDDLE = (LOW + HIGH) / 2


def test_overconfidence_by_hand():
    pixels, right = np.zeros(BINS[CONFIDENT], int), np.zeros(BINS[CONFIDENT], int)
    pixels[3], right[3] = 100, 60  # 70 to 80 %: ten points too few
    pixels[1], right[1] = 100, 65  # 50 to 60 %: five points too many
    pixels[7], right[7] = 200, 199  # 99 % and more: as it says
    assert overconfidence(np.stack([pixels, right], 1).reshape(-1)) == pytest.approx((10 - 5) / 4)
    assert np.isnan(overconfidence(np.zeros(2 * BINS[CONFIDENT])))


def grid_of(shifts, seeds=(0, 1, 2), refine=None):
    """Rows that label ``shift`` points fewer pixels right than the middle of each bin says."""
    rng = np.random.default_rng(0)
    rows, cells, strata, records = [], {}, {}, {}
    for name, shift in shifts.items():
        team = [] if name == 'baseline' else [name]
        rows.append(dict(stack=stack_name(team), techniques=team, label=name, published_dice=None))
        for seed in seeds:
            noise = rng.normal(0, 0.3, (N, 1)) + rng.normal(0, 0.1)
            share = np.clip(100 * MIDDLE - shift + noise, 0, 100)
            pixels = np.stack([np.full(share.shape, 10_000), share * 100], 2).astype(int)
            cell = f'{name}__seed{seed}'
            strata[cell] = CellStrata(np.zeros((N, 2, 16, 4), int), {CONFIDENT: pixels})
            area, nothing = np.full((N, 2, 3), 10), np.full((N, 2), np.nan)
            cells[cell] = CellCounts(area, area, area[..., :2], nothing, nothing)
            records[cell] = dict(status='ok', train=None, keys=dict(train=cell, refine=refine), acted={})
    grid = dict(rows=rows, seeds=list(seeds), classes=['no', 'yes'], background=0, conditions=[], comparisons=[])
    return Results(grid, records, {}, Counts(cells, [f'{n:02d}' for n in range(N)], GROUPS), strata)


def test_rows_that_promise_more_than_they_keep_are_told():
    table = calibration_table(grid_of(dict(baseline=0.0, bold=10.0, shy=-10.0))).set_index('stack')
    assert table['verdict'].tolist() == ['open', 'overconfident', 'underconfident']
    assert table.loc['bold', 'right_70_80'] == pytest.approx(65, abs=0.3) and table.loc['bold', 'pixels_70_80'] == 12.5
    text = calibration_answer(table.reset_index(), {name: name for name in table.index})
    assert '- Overconfident: “bold” +' in text and '- Underconfident: “shy” −' in text and '“baseline”' not in text


def test_nothing_is_said_of_calibrated_rows_refined_rows_and_old_records():
    for results in (
        grid_of(dict(baseline=0.0)),
        grid_of(dict(baseline=9.0), refine='r'),
        grid_of(dict(baseline=9.0))._replace(strata={}),
    ):
        assert calibration_answer(calibration_table(results), dict(baseline='baseline')) == ''


def test_one_seed_speaks_of_the_network_that_was_trained():
    table = calibration_table(grid_of(dict(baseline=10.0), seeds=(0,)))
    assert table['verdict'].tolist() == ['overconfident'] and table['n_seeds'].tolist() == [1]
    assert 'with one seed for the network' in calibration_answer(table, dict(baseline='baseline'))


def test_the_choice_of_training_sets_counts_in_a_grid_with_folds():
    cell = grid_of(dict(baseline=0.0)).strata['baseline__seed0']
    folds = np.arange(N) % 3
    cell.pixels[CONFIDENT][folds == 2, :, 1] = cell.pixels[CONFIDENT][folds == 2, :, 1] * 8 // 10  # one fold is bolder
    est = of_stack([cell], GROUPS, folds)
    assert est.n_folds == 3 and est.variance_folds > 0 and of_stack([cell], GROUPS).n_folds == 1


def test_one_group_has_no_interval():
    cell = grid_of(dict(baseline=9.0)).strata['baseline__seed0']
    assert of_stack([cell], np.zeros(N, int)) is None
