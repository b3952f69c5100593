import shutil

import numpy as np
import pytest

from benchmarks import record
from benchmarks.analysis.differences import Scores
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.speed_answer import speed_answer
from benchmarks.reports.speed_table import speed_table
from benchmarks.reports.table import stack_table

GAINS = {'baseline': 0.0, 'attention': -0.03, 'attention+loss': 0.06}


def speed_of(out):
    results = read_results(out)
    return speed_table(results, stack_table(results))


@pytest.fixture(scope='module')
def clear(tmp_path_factory, synthetic_writer):
    """Records in which the second row is slower and worse, and the third slower and better."""
    return synthetic_writer(tmp_path_factory.mktemp('clear'), failed=(), quality=GAINS)


def test_chances_are_sure_where_the_numbers_are(clear):
    speed = speed_of(clear)
    assert list(speed.table['stack']) == ['baseline', 'attention', 'attention+loss']
    assert speed.table['p_front'].tolist() == pytest.approx([1, 0, 1], abs=0.02)
    assert speed.table['p_fastest'].tolist() == pytest.approx([0, 0, 1], abs=0.02)
    assert speed.table['front_of_means'].tolist() == [True, False, True] and speed.n_seeds == 3


def test_the_reference_point_and_the_volume_by_hand(clear):
    speed = speed_of(clear)
    fast, _, slow = speed.table.itertuples()
    assert speed.reference == pytest.approx((1.1 * slow.latency_ms, fast.dice - 1))
    by_hand = np.log2(slow.latency_ms / fast.latency_ms) + np.log2(1.1) * (slow.dice - fast.dice + 1)
    total, low, high = speed.volume
    assert total == pytest.approx(by_hand) and low < total < high
    # Without the most accurate row the fast one still adds a point up to the reference.
    rest = np.log2(speed.reference[0] / fast.latency_ms)
    assert slow.volume_lost == pytest.approx(1 - rest / total)


def test_the_text_names_the_fastest_row_and_the_front(clear):
    text = speed_answer(speed_of(clear))
    assert 'The fastest row within 1 percent point of the best Dice is “+ loss” (60.5 ms) with a chance of' in text
    assert 'On the Pareto front of Dice and latency with a chance of 95 % or more: “baseline”; “+ loss”.' in text
    assert '1 of 3 rows is not on the Pareto front' in text and 'above the reference point of 66.5 ms' in text
    assert 'allow for other images and another training' in text


def test_what_is_not_known_is_not_said(clear):
    speed = speed_of(clear)
    open_ = speed._replace(table=speed.table.assign(p_fastest=[0.35, 0.25, 0.4]))
    assert (
        'best Dice is not known: “+ loss” (60.5 ms) with a chance of 40 %; “baseline” (20.4 ms) with a chance of 35 %; '
        '“+ attention” (40.5 ms) with a chance of 25 %. By the means alone it is “+ loss”.'
    ) in speed_answer(open_)


def test_failed_rows_are_left_out_and_one_seed_is_said(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path, failed=('attention__seed1',), quality=GAINS)
    assert list(speed_of(tmp_path).table['stack']) == ['baseline', 'attention+loss']
    one = synthetic_writer(tmp_path / 'one', failed=(), seeds=(0,), quality=GAINS)
    assert 'other images alone (one seed)' in speed_answer(speed_of(one))


def test_like_is_compared_with_like_where_rows_have_unequal_seeds(clear, tmp_path):
    shutil.copytree(clear, tmp_path / 'out')
    grid = record.read_grid_json(tmp_path / 'out')
    rows = [grid['rows'][0], *(dict(row, seeds=[0, 1]) for row in grid['rows'][1:])]
    record.write_grid(tmp_path / 'out', grid | dict(rows=rows))
    speed, results = speed_of(tmp_path / 'out'), read_results(tmp_path / 'out')
    scores = Scores('dice', results.counts, results.foreground)
    own, shared = (scores.of('baseline', seeds).full.mean() for seeds in ([0, 1, 2], [0, 1]))
    assert speed.table['dice'][0] == pytest.approx(shared) and own != pytest.approx(shared)
    assert 'Dice and chances rest on the 2 seeds that all rows here have; ' in speed_answer(speed)


def test_without_two_latencies_there_is_no_section_and_no_file(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path)
    make_report(tmp_path)
    assert (tmp_path / 'report' / 'speed.csv').is_file()
    for path in (tmp_path / 'records').glob('*__profile.json'):
        path.unlink()
    text = make_report(tmp_path).read_text()
    assert not (tmp_path / 'report' / 'speed.csv').exists() and 'Accuracy against speed' not in text


def test_rows_of_one_measurement_are_never_told_apart_by_speed(tmp_path, synthetic_writer):
    synthetic_writer(tmp_path, failed=(), quality=dict(GAINS, attention=0.001))
    shared = next(profile for profile in record.read_profiles(tmp_path) if profile['stack'] == 'baseline')
    record.write_profile(tmp_path, shared | dict(stack='attention'))
    record.write_profile(tmp_path, shared | dict(stack='attention+loss'))
    assert speed_of(tmp_path).table.empty  # one latency: no question of speed
    slow = dict(shared['latency_ms'], total=[500.0] * shared['n_samples'])
    record.write_profile(tmp_path, shared | dict(stack='attention+loss', key='slow', latency_ms=slow))
    table = speed_of(tmp_path).table.set_index('stack')
    assert table.loc[['baseline', 'attention'], 'p_front'].sum() == pytest.approx(1, abs=1e-9)


def test_latencies_of_a_busy_machine_are_a_caution(clear):
    speed = speed_of(clear)
    assert 'busy' not in speed_answer(speed)
    assert '**The machine was busy while 1 of 3 latencies was measured**, so' in speed_answer(
        speed._replace(busy=['baseline'])
    )
