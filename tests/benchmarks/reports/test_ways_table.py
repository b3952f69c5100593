import numpy as np
import pandas as pd
import pytest
from told_pairs import told

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.analysis.ways import DICE
from benchmarks.reports.pair_verdicts import pair_verdicts
from benchmarks.reports.report import make_report
from benchmarks.reports.results import Results
from benchmarks.reports.table import comparison_table
from benchmarks.reports.ways_answer import ways_answer
from benchmarks.reports.ways_table import audit

POOLED = 'Dice pooled over images'
LABELS = dict(baseline='baseline', small='small things', other='other')


def grid_of(dice, seeds=(0, 1, 2), sizes=(20_000, 200), n=16):
    """Records of stacks whose Dice (percent) is given for large and for small objects, one object an image."""
    rng = np.random.default_rng(0)
    pixels = np.resize(sizes, n)
    cells = {}
    for stack, of_stack in dice.items():
        for seed in seeds:
            level = np.resize(of_stack, n) + rng.normal(0, 0.05, n)
            tp = np.round(level / 100 * pixels).astype(np.int64)
            area = np.stack(
                [np.stack([50_000 - pixels, pixels - tp, pixels - tp], 1), np.stack([tp, *[pixels - tp] * 2], 1)], 1
            )
            distance = np.stack([np.ones(n), 200 / level], 1)
            cells[f'{stack}__seed{seed}'] = CellCounts(area, area, area[..., :2], distance, distance / 3)
    rows = [
        dict(stack=stack, techniques=[] if stack == 'baseline' else [stack], label=LABELS[stack], published_dice=None)
        for stack in dice
    ]
    grid = dict(
        rows=rows,
        seeds=list(seeds),
        classes=['background', 'object'],
        background=0,
        equivalence_margin=0.5,
        comparisons=[dict(design='each_alone', stack=row['stack'], reference='baseline') for row in rows[1:]],
    )
    records = {cell: dict(status='ok', train=None, keys=dict(train=cell), acted={}) for cell in cells}
    return Results(grid, records, {}, Counts(cells, [f'image{i}' for i in range(n)], np.arange(n) // 2))


def test_a_technique_that_helps_small_objects_at_the_cost_of_large_ones_flips_with_pooling():
    found = audit(grid_of(dict(baseline=(90, 60), small=(88, 70))))
    verdict = found.comparisons.set_index('way')['verdict']
    assert verdict[DICE] == 'gain' and verdict[POOLED] == 'loss'
    text = ways_answer(found, LABELS)
    assert '**Opposite conclusions**: “small things” against “baseline” is a gain by Dice per image (+4.0 [' in text
    assert (
        'but a loss by Dice with background pooled' in text or 'but a loss by Dice pooled over images (−1.9 [' in text
    )
    assert 'By the means alone the best row is' in text
    rank = found.ranks.set_index(['way', 'stack'])['rank']
    assert rank[DICE, 'small'] == 1 and rank[POOLED, 'small'] == 2


def test_a_pair_that_two_designs_compare_in_either_direction_counts_once():
    results = grid_of(dict(baseline=(90, 60), small=(88, 70)))
    once = audit(results).comparisons
    results.grid['comparisons'].append(dict(design='leave_one_out', stack='baseline', reference='small'))
    pd.testing.assert_frame_equal(audit(results).comparisons, once)


def test_where_all_ways_agree_nothing_is_said():
    found = audit(grid_of(dict(baseline=(80, 80), small=(85, 85))))
    assert set(found.comparisons['verdict']) == {'gain'} and ways_answer(found, LABELS) == ''


def test_lower_distances_are_better():
    found = audit(grid_of(dict(baseline=(80, 80), small=(85, 85))))
    rows = found.comparisons.set_index('way').loc[['HD95', 'ASSD']]
    assert (rows['delta'] > 0).all() and set(rows['unit']) == {'px'}


def test_ways_that_make_no_difference_are_named_once():
    found = audit(grid_of(dict(baseline=(90, 60), small=(88, 70))))
    assert found.same['Dice per image with absent classes as 100'] == DICE
    assert found.same['Dice pooled over images and classes'] == POOLED  # one foreground class
    assert 'Dice pooled over images and classes (as Dice pooled over images)' in ways_answer(found, LABELS)


def test_a_way_whose_interval_reaches_zero_is_open_and_one_that_comes_close_is_not():
    found = audit(grid_of(dict(baseline=(90, 60), small=(90, 61))))
    assert found.comparisons.set_index('way').loc[DICE, 'verdict'] == 'gain'
    text = ways_answer(found, LABELS)
    assert '“small things” against “baseline” is a gain by Dice per image (+0.5 [' in text
    assert 'Open by Dice pooled over images (0.0 [' in text
    close = found.comparisons.assign(low=0.001, high=0.002)
    assert 'Open by' not in ways_answer(found._replace(comparisons=close), LABELS)


def test_a_way_that_is_a_metric_of_the_comparison_table_has_its_verdict_and_its_numbers():
    by_pair = {('small', 'baseline'): told('equivalent', 'equivalent', delta=0.2, low=-0.1, high=0.4, n_seeds=3)}
    found = audit(grid_of(dict(baseline=(90, 60), small=(88, 70))), dict(dice=by_pair, hd95_px=by_pair))
    assert found.compared == (DICE, 'HD95')
    rows = found.comparisons.set_index('way')
    assert rows.loc[DICE, ['delta', 'low', 'high', 'verdict', 'n_seeds']].tolist() == [0.2, -0.1, 0.4, 'equivalent', 3]
    assert rows.loc['HD95', ['delta', 'low', 'high', 'verdict']].tolist() == [-0.2, -0.4, 0.1, 'equivalent']
    assert rows.loc[POOLED, 'verdict'] == 'loss'
    one_sided = found.comparisons[~found.comparisons['verdict'].isin(['gain'])]
    text = ways_answer(found._replace(comparisons=one_sided), LABELS)
    assert '. Equivalent by Dice per image (+0.2 [−0.1, +0.4]); HD95 (−0.20 px [−0.40, +0.10]).' in text
    assert 'Open by' not in text  # equivalent is not open, though the interval reaches 0
    assert 'By Dice per image and HD95 a comparison has its interval and its verdict of [comparisons.csv]' in text
    assert 'the seeds of that look alone' not in text and 'All other ways have the same test' in text
    fewer = {('small', 'baseline'): told('equivalent', 'equivalent', n_seeds=2)}
    text = ways_answer(audit(grid_of(dict(baseline=(90, 60), small=(88, 70))), dict(dice=fewer)), LABELS)
    assert 'and where a look settled it the seeds of that look alone.' in text


def test_a_way_that_stands_for_a_metric_has_its_numbers_too():
    """Without a background class the mean over foreground classes is that over all classes."""
    results = grid_of(dict(baseline=(90, 60), small=(88, 70)))
    results.grid['background'] = None
    found = audit(results, dict(mdice={('small', 'baseline'): told('undecided', 'undecided')}))
    assert found.same['Dice with background pooled over images'] == POOLED and found.compared == (POOLED,)
    assert found.comparisons.set_index('way').loc[POOLED, ['delta', 'verdict']].tolist() == [7.0, 'undecided']


@pytest.mark.parametrize('role', ['again', 'control'])
def test_rows_that_test_the_grid_are_left_out(role):
    results = grid_of(dict(baseline=(90, 60), small=(88, 70), other=(80, 50)))
    results.grid['rows'][2]['role'] = role
    found = audit(results)
    assert set(found.comparisons['stack']) == {'small'} and set(found.ranks['stack']) == {'baseline', 'small'}
    text = ways_answer(found, LABELS)
    assert 'other' not in text.replace('other ways', '') and 'Rows that test the grid itself are left out.' in text


def test_the_numbers_by_each_metric_are_those_that_the_table_of_the_same_records_has():
    results = grid_of(dict(baseline=(90, 60), small=(88, 70), other=(89, 65)))
    table = comparison_table(results)
    by_metric = {name: pair_verdicts(table[table['metric'] == name]) for name in table['metric'].unique()}
    ends = ['delta', 'low', 'high']
    own, found = (audit(results, *given).comparisons.set_index(['way', 'stack']) for given in ((), (by_metric,)))
    np.testing.assert_allclose(found[ends].astype(float), own[ends].astype(float))


def test_the_order_of_the_rows_is_compared_with_that_by_dice():
    found = audit(grid_of(dict(baseline=(90, 60), small=(88, 70), other=(89, 65))))
    assert found.order_likeness(DICE) == pytest.approx(1) and found.order_likeness(POOLED) == pytest.approx(-1)
    assert 'is the least like that by Dice per image (Kendall’s τ −1.00' in ways_answer(found, LABELS)


def test_one_seed_shows_nothing_but_ranks_stay():
    found = audit(grid_of(dict(baseline=(90, 60), small=(88, 70)), seeds=(0,)))
    assert set(found.comparisons['verdict']) == {'undecided'}
    assert 'Opposite' not in ways_answer(found, LABELS) and 'the best row is' in ways_answer(found, LABELS)


def test_a_row_that_has_learned_nothing_is_left_out():
    results = grid_of(dict(baseline=(90, 60), small=(88, 70)))
    cell = results.counts.cells['small__seed1']
    area = cell.area.copy()
    area[:, 1, 2] += area[:, 1, 0]
    area[:, 1, :2] = 0
    results.counts.cells['small__seed1'] = cell._replace(area=area)
    found = audit(results)
    assert found.comparisons.empty and set(found.ranks['stack']) == {'baseline'}
    assert ways_answer(found, LABELS) == ''


def test_no_ok_cell(synthetic_writer, tmp_path):
    stacks = ('baseline', 'attention', 'attention+loss')
    out = synthetic_writer(tmp_path, failed=[f'{stack}__seed{seed}' for stack in stacks for seed in range(3)])
    text = make_report(out).read_text()
    assert 'What the grid answers' not in text and not (out / 'report' / 'ways.csv').exists()
