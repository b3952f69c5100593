"""Reports of grids with an A/A arm, a positive control, or more seeds of the baseline."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from benchmarks import record
from benchmarks.analysis.chance import Chance
from benchmarks.analysis.differences import Scores
from benchmarks.reports.answers import _blind
from benchmarks.reports.chance_text import MARK
from benchmarks.reports.conventions import _rows_that_test_the_grid
from benchmarks.reports.figures import accuracy_speed
from benchmarks.reports.phrases import number_of_seeds
from benchmarks.reports.readings import _because, _test_of_the_grid, readings
from benchmarks.reports.report import make_report
from benchmarks.reports.results import read_results
from benchmarks.reports.table import comparison_table, stack_table

STACKS = ('baseline', 'attention', 'attention+loss')


@pytest.fixture
def out(tmp_path, synthetic_writer):
    """Three rows of which the second differs by 0.1 points, and the third is meant as a harm but gains."""
    out = synthetic_writer(tmp_path, failed=())
    comparisons = [
        dict(design='each_alone', stack='attention', reference='baseline'),
        dict(design='positive_control', stack='attention+loss', reference='baseline'),
    ]
    write(out, comparisons=comparisons, equivalence_margin=5.0)
    return out


def write(out, **changes):
    record.write_grid(out, record.read_grid_json(out) | changes)


@pytest.fixture
def out_of_unlearned(tmp_path, synthetic_writer):
    """Writes three rows: the second differs by 0.1 points, the third is a harm that learned nothing in some seeds."""

    def written(seeds):
        quality = dict(zip(STACKS, (0.0, 0.001, -0.5)))
        out = synthetic_writer(tmp_path, failed=(), quality=quality)
        rows = record.read_grid_json(out)['rows']
        comparisons = [
            dict(design='each_alone', stack='attention', reference='baseline'),
            dict(design='positive_control', stack='attention+loss', reference='baseline'),
        ]
        rows = [rows[0], rows[1], dict(rows[2], role='control')]
        write(out, comparisons=comparisons, rows=rows, equivalence_margin=5.0)
        for seed in seeds:
            path = out / 'records' / f'attention+loss__seed{seed}.json'
            cell = json.loads(path.read_text())
            cell['train']['best_constant'] = dict(steps=10, loss=0.7, constant=0.7)
            path.write_text(json.dumps(cell))
        return out

    return written


def verdict(out):
    rows = comparison_table(read_results(out)).query("metric == 'dice'").set_index('stack')
    return rows.loc['attention', 'verdict'], rows.loc['attention', 'limited_by']


def test_without_a_harm_that_shows_nothing_is_equivalent_and_the_report_says_why(out):
    assert verdict(out) == ('undecided', 'control')
    rows = record.read_grid_json(out)['rows']
    write(out, rows=[rows[0], rows[1], dict(rows[2], role='control')])
    text = make_report(out).read_text()
    assert '**Positive control**' in text and '**A/A arm**' not in text
    assert 'This known harm does not show; unless another one does, no row of this grid is called equivalent.' in text
    assert 'the positive control, a known harm, does not show in this grid either' in text
    comparisons = record.read_grid_json(out)['comparisons']
    write(out, comparisons=[comparisons[0], dict(comparisons[1], design='each_alone')])
    assert verdict(out) == ('equivalent', '')


def test_a_control_that_learned_nothing_shows_and_the_report_says_so(out_of_unlearned):
    out = out_of_unlearned(seeds=(0, 1, 2))
    assert verdict(out) == ('equivalent', '')
    table = comparison_table(read_results(out)).query("metric == 'dice'").set_index('stack')
    assert table.loc['attention+loss', 'verdict'] == 'not learned' and not _blind(table)
    assert table['harm_shows'].to_dict() == {'attention': None, 'attention+loss': True}
    text = make_report(out).read_text()
    said = (
        'the harm of the positive control shows against “baseline” (positive_control): it learned nothing in far more'
    )
    assert said in text and 'This known harm does not show' not in text and 'Look at the learning rate' not in text
    assert '**equivalent**' in text or 'equivalent: ' in text


def test_one_that_learned_in_some_seeds_does_not_show(out_of_unlearned):
    out = out_of_unlearned(seeds=(0, 2))
    assert verdict(out) == ('undecided', 'control')
    table = comparison_table(read_results(out))
    assert _blind(table.query("metric == 'dice'"))
    assert set(table.query("design == 'positive_control'")['harm_shows']) == {False}
    text = make_report(out).read_text()
    assert (
        'has learned nothing in a shared seed, so the difference says nothing about the technique. This known' in text
    )
    assert 'learned nothing: the harm shows' not in text


def test_without_a_control_among_more_than_a_few_rows_equivalent_rests_on_none():
    def told(n_rows, role='', margin=0.5):
        return '\n'.join(_rows_that_test_the_grid(pd.DataFrame(dict(role=[''] * (n_rows - 1) + [role])), margin))

    assert 'none of these 11 rows is a known harm, so “equivalent” rests on no control' in told(11)
    assert told(10) == told(11, margin=0) == '' and 'No positive control' not in told(11, 'control')


@pytest.mark.parametrize(
    'design, verdict, said',
    [
        ('aa', 'undecided', ' It is the same stack trained with other seeds, so its difference is chance.'),
        ('aa', 'gain', 'is chance: a false alarm. Trust no other difference of this size.'),
        ('positive_control', 'loss', ''),
        ('positive_control', 'gain', ' unless another one does, no row of this grid is called equivalent.'),
        ('each_alone', 'loss', ''),
    ],
)
def test_what_these_rows_say_of_the_grid(design, verdict, said):
    text = _test_of_the_grid(pd.Series(dict(design=design, verdict=verdict, harm_shows=verdict == 'loss')))
    assert text.endswith(said) and bool(text) == bool(said)


def test_a_control_that_is_a_technique_of_the_grid_as_well_is_told_once_with_both_designs(out):
    comparisons = record.read_grid_json(out)['comparisons']
    again = dict(comparisons[1], design='each_alone')
    write(out, comparisons=[comparisons[0], again, comparisons[1]])
    text = make_report(out).read_text()
    assert text.count('(each_alone, positive_control)') == 1 and 'This known harm does not show' in text


@pytest.mark.parametrize(
    'low, high, said', [(0.2, 2.0, 'alone its interval excludes 0'), (-1.0, 2.0, 'no difference is shown')]
)
def test_an_arm_that_is_chance_gets_no_advice(out, low, high, said):
    comparisons = record.read_grid_json(out)['comparisons']
    write(out, comparisons=[dict(comparisons[0], design='aa'), comparisons[1]])
    results = read_results(out)
    dice = comparison_table(results).query("metric == 'dice'")
    forecast = dict(limited_by='seeds', seeds_to_decide=17, times_groups_to_decide=float('nan'))
    chance = dice.assign(verdict='undecided', checkpoints_verdict='loss', low=low, high=high, **forecast)
    text = next(line for line in readings(stack_table(results), chance, 0.5).splitlines() if '(aa)' in line)
    assert f'; {said}. It is the same stack trained with other seeds, so its difference is chance.' in text
    assert 'would decide' not in text and 'more seeds' not in text and 'networks lose' not in text


def test_the_control_is_the_reason_before_all_others():
    tested = dict(
        design='each_alone', n_seeds=2, seeds_covered=True, p_corrected=0.4, verdict='undecided', low=1.0, high=2.0
    )
    tested |= dict(family='primary', lenders=0)
    assert 'the positive control' in _because(pd.Series(tested | dict(limited_by='control', seeds_to_decide=pd.NA)), 5)


def test_the_figure_leaves_them_out(tmp_path):
    points = pd.DataFrame(
        dict(stack=['a', 'b'], label=['a', 'b'], dice=80.0, dice_low=np.nan, dice_high=np.nan, latency_ms_p50=9.0)
        | dict(status='ok', n_seeds=1, seeds_not_learned=0, role=['again', 'control'])
    )
    assert accuracy_speed(points, tmp_path / 'a.png', 't', 'c') is None
    assert accuracy_speed(points.assign(role=['', 'control']), tmp_path / 'a.png', 't', 'c') is not None


def test_rows_have_seeds_of_their_own(out):
    grid = record.read_grid_json(out)
    rows = [dict(row, seeds=seeds, role='') for row, seeds in zip(grid['rows'], ([0, 1, 2], [0, 1], [0, 1]))]
    write(out, rows=rows)
    results = read_results(out)
    assert [*stack_table(results)['n_seeds']] == [3, 2, 2] and [*stack_table(results)['status']] == ['ok'] * 3
    assert set(comparison_table(results)['n_seeds']) == {2}  # pairs use the seeds of both
    text = make_report(out).read_text()
    assert '2 to 3 seeds, fewer where the row says so' in text and '| seeds |' in text
    unequal = 'Rows have unequal numbers of seeds: a level is the mean of all seeds of its row, a Δ uses the seeds that'
    assert unequal in text
    write(out, rows=grid['rows'])
    assert unequal not in make_report(out).read_text()
    assert number_of_seeds(results.grid) == '2 to 3 seeds' and number_of_seeds(grid) == '3 seeds'


def test_seeds_and_roles_that_no_grid_has_are_refused(out):
    grid = record.read_grid_json(out)
    for change, said in (
        (dict(seeds=[0, 7]), r"'rows\[1\].seeds' is \[0, 7\]"),
        (dict(seeds=[]), r"'rows\[1\].seeds'"),
        (dict(role='other'), r"'rows\[1\].role' is 'other'"),
    ):
        rows = [grid['rows'][0], grid['rows'][1] | change, grid['rows'][2]]
        with pytest.raises(ValueError, match=said):
            record.validate_grid(grid | dict(rows=rows))


def with_arm(out, *, shared=()):
    """The second row takes the part of the A/A arm; ``shared`` are the stacks with the weights of the baseline."""
    for cell in record.read_records(out):
        training = 'baseline' if cell['stack'] in shared else cell['stack']
        path = out / 'records' / f'{cell["cell"]}.json'
        keys = cell['keys'] | dict(train=f'{training}{cell["seed"]}')
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(keys=keys)))
    compared = [
        ('aa', 'attention', 'baseline'),
        ('each_alone', 'attention+loss', 'baseline'),
        ('explicit', 'attention+loss', 'attention'),
        ('explicit', 'attention', 'attention+loss'),
    ]
    names = ('design', 'stack', 'reference')
    write(out, comparisons=[dict(zip(names, of_pair)) for of_pair in compared])
    return comparison_table(read_results(out))


def test_the_spread_of_an_arm_stands_behind_every_difference(out):
    """The bands are those of three seeds of the baseline and three of the arm."""
    table = with_arm(out)
    results = read_results(out)
    for metric, of_metric in table.groupby('metric'):
        baseline, again = (
            Scores(metric, results.counts, results.foreground).of(stack, [0, 1, 2]).full
            for stack in ('baseline', 'attention')
        )
        chance = Chance(baseline, again)
        bands = [tuple(row) for row in of_metric[['chance_low', 'chance_high', 'chance_from', 'n_seeds']].to_numpy()]
        assert bands[0] == bands[1] == pytest.approx(chance.to_baseline(baseline))
        assert bands[2] == bands[3] == pytest.approx(chance.between_others(3))
    text = make_report(out).read_text()
    said = (
        'Chance alone, by the trainings of the baseline and of its A/A arm (the same stack with other seeds): '
        'a technique that does nothing would stand at ['
    )
    assert said in text and ' points against this baseline (3 seeds) and at [' in text
    assert ' points against another row (3 seeds).' in text and 'A pair with fewer seeds' not in text
    assert f'{MARK} [' in text and 'A Δ between two trainings inside its band is marked °' in text


def test_a_row_of_fewer_seeds_has_a_wider_band_by_the_same_trainings(out):
    grid = record.read_grid_json(out)
    seeds = dict(zip(STACKS, ([0, 1, 2], [0, 1, 2], [0, 1])))
    write(out, rows=[dict(row, seeds=seeds[row['stack']]) for row in grid['rows']])
    for path in (out / 'records').glob('attention+loss__seed2.json'):
        path.unlink()
    table = with_arm(out)
    results = read_results(out)
    baseline, again = (
        Scores('dice', results.counts, results.foreground).of(stack, [0, 1, 2]).full for stack in STACKS[:2]
    )
    row = table.query("metric == 'dice' and design == 'each_alone'").iloc[0]
    expected = Chance(baseline, again).to_baseline(baseline[:2])
    assert row['n_seeds'] == 2 and (row['chance_low'], row['chance_high']) == pytest.approx(expected[:2])
    text = make_report(out).read_text()
    assert 'points against this baseline (3 seeds)' in text and 'A pair with fewer seeds has a wider band' in text


def test_a_row_on_the_weights_of_the_baseline_has_the_luck_of_the_baseline(out):
    """Of the third row, which shares them, the second differs as from the baseline, and the other way round."""
    for _, of_metric in with_arm(out, shared=['attention+loss']).groupby('metric'):
        arm, within, turned, same = of_metric.to_dict('records')
        assert np.isnan(within['chance_low']) and arm['chance_low'] == same['chance_low'] != -arm['chance_high']
        assert (turned['chance_low'], turned['chance_high']) == (-arm['chance_high'], -arm['chance_low'])


def test_of_a_difference_within_one_training_chance_says_nothing(out):
    """The third row takes the weights of the second."""
    for path in sorted((out / 'records').glob('attention*__seed*.json')):
        cell = json.loads(path.read_text())
        cell['keys']['train'] = f'train{cell["seed"]}'
        path.write_text(json.dumps(cell))
    comparisons = record.read_grid_json(out)['comparisons']
    write(out, comparisons=[comparisons[0], dict(comparisons[1], reference='attention')])
    table = comparison_table(read_results(out)).query("metric == 'dice'").set_index('stack')
    assert np.isfinite(table.loc['attention', 'chance_low'])
    assert np.isnan(table.loc['attention+loss', 'chance_low']) and not table.loc['attention+loss', 'chance_from']


def test_without_an_arm_the_report_says_that_the_spread_is_expected(out):
    assert set(comparison_table(read_results(out))['chance_from']) == {'seeds of the baseline'}
    text = make_report(out).read_text()
    assert (
        'Chance alone, expected of how far the seeds of the baseline differ (the grid has no A/A arm): a technique '
        'that does nothing would stand at [' in text
    )
    assert ' points against this baseline (3 seeds).' in text
    write(out, seeds=[0])
    assert 'Chance alone' not in make_report(out).read_text()


def test_the_figure_has_the_band_around_the_baseline(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, 'close', kept.append)
    points = pd.DataFrame(
        dict(stack=['baseline', 'a'], label=['baseline', 'a'], dice=[80.0, 82.0], dice_low=[78.0, 80.0])
        | dict(dice_high=[82.0, 84.0], latency_ms_p50=[10.0, 20.0], seeds_not_learned=0, status='ok', n_seeds=3)
    )
    accuracy_speed(points, tmp_path / 'a.png', 't', 'c', (-0.5, 1.0))
    axes = kept[0].axes[0]
    (band,) = [patch for patch in axes.patches if patch.get_gid() == 'chance']
    assert (band.get_y(), band.get_height()) == pytest.approx((79.5, 1.5))
    assert axes.get_ylim() == pytest.approx((78 - 0.5, 84 + 0.5), abs=0.1)
