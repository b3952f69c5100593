import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import record
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table, write_csv

SLICES = Path(__file__).parent / 'slices_of_two_seeds'
PUBLIC = [
    'stack',
    'techniques',
    'n_seeds',
    'n_images',
    'status',
    'dice',
    'dice_low',
    'dice_high',
    'mdice',
    'miou',
    'boundary_iou',
    'hd95_px',
    'nsd',
    'assd_px',
    'latency_ms_p50',
    'latency_ms_p95',
    'throughput_img_s',
    'train_peak_mib',
    'infer_peak_mib',
    'host_peak_mib',
    'params_m',
    'gflops',
    'train_s',
]
PUBLIC_COMPARISON = ['design', 'stack', 'reference', 'metric', 'delta', 'low', 'high', 'p', 'p_corrected', 'verdict']


@pytest.fixture(scope='module')
def table(synthetic_out):
    return stack_table(read_results(synthetic_out)).set_index('stack', drop=False)


def test_columns_begin_with_the_public_surface(synthetic_out, table):
    assert list(table.columns[: len(PUBLIC)]) == PUBLIC
    assert list(comparison_table(read_results(synthetic_out)).columns[:10]) == PUBLIC_COMPARISON


def test_rows_follow_the_grid(table):
    assert list(table['stack']) == ['baseline', 'attention', 'attention+loss']
    assert list(table['label']) == ['baseline', '+ attention', '+ loss']


def test_status_tells_what_failed_and_the_rest_still_counts(table):
    assert list(table['status']) == ['ok', 'failed: out_of_memory (1 of 3)', 'ok']
    assert list(table['n_seeds']) == [3, 2, 3]
    assert set(table['n_images']) == {56} and set(table['n_groups']) == {8}


def test_cost_columns_by_hand(table):
    row = table.loc['baseline']
    samples = [20.0 + 0.1 * i for i in range(10)]
    assert row['latency_ms_p50'] == pytest.approx(20.45)
    assert row['latency_ms_p95'] == pytest.approx(np.percentile(samples, 95))
    assert row['throughput_img_s'] == pytest.approx(1000 / 20.45)
    assert row['latency_ms_preprocess_p50'] == 1.0 and np.isnan(row['latency_ms_refine_p50'])
    assert (row['train_peak_mib'], row['host_peak_mib'], row['infer_peak_mib']) == (502.0, 900.0, 300.0)
    assert row['train_s'] == pytest.approx(61.0)
    assert (row['params_m'], row['gflops']) == (1.234567, 2.5)


def test_scores_equal_a_second_look_at_the_csv(synthetic_out, table):
    """Dice from the long table with pandas alone, as a user would do it."""
    frame = pd.read_csv(synthetic_out / 'records' / 'counts.csv.gz')
    frame = frame[frame['cell'].str.startswith('attention+loss__') & (frame['class'] > 0)]
    frame['dice'] = 100 * 2 * frame['tp'] / (2 * frame['tp'] + frame['fp'] + frame['fn'])
    expected = frame.groupby(['cell', 'image'])['dice'].mean().groupby('cell').mean().mean()
    row = table.loc['attention+loss']
    assert row['dice'] == pytest.approx(expected)
    assert row['hd95_px'] == pytest.approx(frame.groupby('cell')['hd95_px'].mean().mean())
    assert row['hd95_undefined'] == 3
    assert row['dice_low'] < row['dice'] < row['dice_high']


def test_a_row_without_ok_cells_keeps_no_score(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path, failed=[f'attention__seed{seed}' for seed in range(3)])
    row = stack_table(read_results(tmp_path)).set_index('stack').loc['attention']
    assert row['status'] == 'failed: out_of_memory (3 of 3)' and row['n_seeds'] == 0
    assert row[['n_images', 'dice', 'dice_low', 'mdice', 'hd95_px', 'train_s', 'train_peak_mib']].isna().all()


def test_every_reason_is_counted(tmp_path, synthetic_writer, synthetic_facts):
    synthetic_writer(tmp_path)
    (tmp_path / 'records' / 'attention__seed0.json').unlink()
    failed = synthetic_facts['cell'] | dict(status='failed', reason='boom', failed_stage='predict')
    record.write_record(tmp_path, failed)
    row = stack_table(read_results(tmp_path)).set_index('stack').loc['attention']
    assert row['status'] == 'failed: error in predict (1 of 3), not run (1 of 3), out_of_memory (1 of 3)'
    # Its counts are still in the table of an earlier run, and must not be taken for a result.
    assert row['n_seeds'] == 0 and np.isnan(row['dice'])


def test_a_failed_profile_leaves_the_scores_alone(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    record.write_profile(
        tmp_path, dict(version=record.VERSION, stack='baseline', status='timeout', reason='slow', key='k')
    )
    (tmp_path / 'records' / 'attention__profile.json').unlink()
    table = stack_table(read_results(tmp_path)).set_index('stack')
    assert list(table['profile_status']) == ['timeout', 'not run', 'ok']
    assert table.loc['baseline', ['latency_ms_p50', 'gflops', 'params_m']].isna().all()
    assert table.loc['baseline', 'status'] == 'ok' and table.loc['baseline', 'dice'] > 0


def test_csv_has_fixed_decimals_and_empty_fields(tmp_path):
    table = pd.DataFrame(
        dict(
            stack=['a', 'b'], dice=[81.25, np.nan], p=[1e-9, 0.5], n_images=pd.array([3, pd.NA]), delta=[-0.00001, 2.0]
        )
    )
    path = write_csv(table, tmp_path / 'table.csv')
    assert path.read_text() == ('stack,dice,p,n_images,delta\na,81.2500,0.000000,3,0.0000\nb,,0.500000,,2.0000\n')


def test_comparison_rows(synthetic_out):
    table = comparison_table(read_results(synthetic_out))
    assert len(table) == 3 * 4
    dice = table[table['metric'] == 'dice'].set_index(['stack', 'reference'])
    assert dice.loc[('attention+loss', 'baseline'), 'verdict'] == 'gain'
    assert dice.loc[('attention', 'baseline'), 'verdict'] in ('undecided', 'equivalent')
    assert list(dice['n_seeds']) == [2, 2, 3]
    # Two tests in the cumulative design, one in the other.
    assert dice.loc[('attention+loss', 'attention'), 'p_corrected'] == pytest.approx(
        2 * dice.loc[('attention+loss', 'attention'), 'p']
    )


def test_tables_are_read_back_by_plain_csv_readers(tmp_path, synthetic_out):
    path = write_csv(stack_table(read_results(synthetic_out)), tmp_path / 'table.csv')
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[1]['status'] == 'failed: out_of_memory (1 of 3)'
    assert json.loads(rows[0]['n_images']) == 56
    assert len(rows[0]['dice'].split('.')[1]) == 4


@pytest.mark.slow
def test_a_grid_of_two_seeds_decides_what_large_effects_are():
    """Records of 74 rows on the embedded slices: 13 were decided before seed variances were borrowed."""
    table = comparison_table(read_results(SLICES))
    dice = table[table['metric'] == 'dice'].set_index('stack')
    assert len(dice) == 74 and (dice['verdict'] != 'undecided').sum() >= 28
    far_below = dice[dice['delta'] < -37]
    assert len(far_below) == 5 and set(far_below['verdict']) == {'loss'}
    # The baseline, 38 others less those of equal scores; 29 differences within a training.
    assert set(dice['lenders']) == {0, 29, 38}
