"""Grids that ask by another score than Dice: verdicts, margin, table, figure and words follow it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmarks import record
from benchmarks.analysis.families import METHOD
from benchmarks.analysis.metrics import METRIC_OF
from benchmarks.reports.figures import accuracy_speed
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table


@pytest.fixture
def asking(tmp_path, synthetic_writer):
    """Writes a grid of three rows that asks by a metric; the third row has other distances in pixels."""

    def write(metric, margin, shift=0.0):
        out = synthetic_writer(tmp_path, failed=())
        pairs = [['attention', 'baseline'], ['attention+loss', 'baseline']]
        question = dict(metric=metric, equivalence_margin=margin, method=METHOD, primary=pairs, n_results=0)
        comparisons = [dict(design='each_alone', stack=stack, reference=reference) for stack, reference in pairs]
        changes = dict(questions=[question], equivalence_margin=margin, comparisons=comparisons)
        record.write_grid(out, record.read_grid_json(out) | changes)
        results = read_results(out)
        for cell, counts in results.counts.cells.items():
            if cell.startswith('attention+loss'):
                results.counts.cells[cell] = counts._replace(hd95_px=counts.hd95_px + shift)
        return out, results

    return write


def verdicts(results, metric):
    table = comparison_table(results)
    return table[table['metric'] == metric].set_index('stack')


def test_a_distance_that_falls_is_a_gain_and_one_that_rises_a_loss(asking):
    _, results = asking('hd95_px', 0.0, shift=-20.0)
    falls = verdicts(results, 'hd95_px').loc['attention+loss']
    assert falls['delta'] < -10 and falls['high'] < 0 and falls['verdict'] == 'gain'
    assert falls['checkpoints_verdict'] == 'gain'
    _, results = asking('hd95_px', 0.0, shift=200.0)
    rises = verdicts(results, 'hd95_px').loc['attention+loss']
    assert rises['verdict'] == 'loss' and rises['high'] > 100  # pixels are not cut at 100


def test_the_margin_is_in_the_unit_of_the_metric_that_is_asked_by(asking):
    _, results = asking('hd95_px', 50.0)
    assert 'equivalent' in set(verdicts(results, 'hd95_px')['verdict'])
    assert not (verdicts(results, 'dice')['verdict'] == 'equivalent').any()  # 50 px are no points
    _, results = asking('miou', 50.0)
    assert {*verdicts(results, 'miou')['verdict'], *verdicts(results, 'dice')['verdict']} <= {
        'equivalent',
        'gain',
        'loss',
    }


def test_other_metrics_are_there_beside_the_four_of_every_report(asking):
    _, results = asking('hd95_px', 0.0)
    assert set(comparison_table(results)['metric']) == {'dice', 'mdice', 'miou', 'boundary_iou', 'hd95_px'}
    _, results = asking('miou', 0.5)
    assert set(comparison_table(results)['metric']) == {'dice', 'mdice', 'miou', 'boundary_iou'}


@pytest.mark.parametrize(
    'metric, head, said',
    [
        ('miou', '| row | mIoU, % [95 %] |', 'by mIoU, with a margin of 2 percent points'),
        ('hd95_px', '| row | HD95, px [95 %] |', 'by HD95, with a margin of 2 pixels'),
        ('dice', '| row | Dice, % [95 %] |', 'by Dice, with a margin of 2 percent points'),
    ],
)
def test_the_report_speaks_of_the_metric(asking, metric, head, said):
    out, results = asking(metric, 2.0)
    text = make_report(out).read_text()
    assert head in text and said in text and f'{METRIC_OF[metric].title} over latency' in text
    row = verdicts(results, metric).loc['attention']
    number = f'{row["delta"]:+.1f}'.replace('-', '−').replace('+0.0', '0.0').replace('−0.0', '0.0')
    assert f'{number} {METRIC_OF[metric].short_unit} [' in text


def test_in_the_figure_better_is_up(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    points = pd.DataFrame(
        dict(
            stack=['baseline', 'a', 'b'], label=['baseline', 'a', 'b'], hd95_px=[9.0, 5.0, 12.0], status='ok', n_seeds=3
        )
        | dict(hd95_px_low=[8.0, 4.0, 11.0], hd95_px_high=[10.0, 6.0, 13.0], latency_ms_p50=[10.0, 20.0, 30.0])
        | dict(seeds_not_learned=0, status='ok', n_seeds=3)
    )
    accuracy_speed(points, tmp_path / 'a.png', 't', 'c', None, METRIC_OF['hd95_px'])
    axes = kept[0].axes[0]
    bottom, top = axes.get_ylim()
    assert bottom > 13 and top < 4 and axes.get_ylabel().startswith('HD95, px')
    (front,) = [line for line in axes.lines if line.get_linestyle() == '--']
    np.testing.assert_array_equal(front.get_ydata(), [9.0, 5.0])
