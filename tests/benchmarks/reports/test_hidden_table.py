import numpy as np
import pandas as pd
import pytest

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.reports.hidden_answer import hidden_answer
from benchmarks.reports.hidden_table import MEAN, MEDIAN, PER_IMAGE, POOLED, hidden_table
from benchmarks.reports.results import Results
from benchmarks.reports.table import comparison_table

GROUPS = np.repeat(np.arange(8), 3)
LABELS = {name: name for name in 'abcdef'} | {'baseline': 'baseline'}
PIXELS = 100_000


def world(gain, seeds=(0, 1, 2), classes=('background', 'cell', 'rim'), noise=0.1):
    """Records of a baseline and four stacks, of which ``a`` gains so many points on each image and class, (N, F)."""
    rng = np.random.default_rng(0)
    shape = (len(GROUPS), len(classes) - 1)
    images = 70 + rng.normal(0, 3, (shape[0], 1))
    cells = {}
    for stack in ('baseline', *'abcd'):
        for seed in seeds:
            dice = images + (np.broadcast_to(gain, shape) if stack == 'a' else 0.0) + rng.normal(0, noise, shape)
            tp = np.round(dice / 100 * PIXELS).astype(np.int64)
            area = np.stack([tp, PIXELS - tp, PIXELS - tp], 2)
            area = np.concatenate([np.full_like(area[:, :1], PIXELS), area], 1)
            nothing = np.full(area.shape[:2], np.nan)
            cells[f'{stack}__seed{seed}'] = CellCounts(area, area, area[..., :2], nothing, nothing)
    rows = [
        dict(stack=stack, techniques=[stack] * (stack != 'baseline'), label=stack, published_dice=None)
        for stack in ('baseline', *'abcd')
    ]
    comparisons = [dict(design='each_alone', stack=stack, reference='baseline') for stack in 'abcd']
    grid = dict(rows=rows, seeds=list(seeds), classes=list(classes), background=0, equivalence_margin=0.5)
    records = {cell: dict(status='ok', train=None, keys=dict(train=cell), acted={}) for cell in cells}
    names = [f'image{n}' for n in range(len(GROUPS))]
    return Results(grid | dict(comparisons=comparisons), records, {}, Counts(cells, names, GROUPS))


def of(table, score, stack='a'):
    return table[(table['score'] == score) & (table['stack'] == stack)].set_index('class_name')


def test_classes_that_cancel_in_the_mean_are_found_and_told_first():
    table = hidden_table(world(np.array([3.0, -3.0])), 0.5)
    for score in (PER_IMAGE, POOLED):
        found = of(table, score)
        assert found['verdict'].to_dict() == {'cell': 'gain', 'rim': 'loss'}
        assert found.loc['cell', 'delta'] == pytest.approx(3, abs=0.1)
    assert of(table, MEAN)['verdict'].tolist() == ['equivalent']
    assert table['stack'].iloc[0] == 'a' and table['score'].iloc[0] in (PER_IMAGE, POOLED)
    text = hidden_answer(table, LABELS, 0.5)
    lines = [line for line in text.splitlines() if line.startswith('- ')]
    assert len(lines) == 2 and all('“a” against “baseline”: class “' in line for line in lines)
    assert 'gains +3.0 [' in text and 'loses −3.0 [' in text and '; the mean image is ' in text


def test_a_few_images_that_fail_move_the_mean_and_not_the_median():
    fails = np.where(np.arange(len(GROUPS)) % 3 == 0, -30.0, 2.0)[:, None]
    table = hidden_table(world(fails), 0.5)
    assert of(table, MEAN)['delta'].item() == pytest.approx(-26 / 3, abs=0.2)
    assert (
        of(table, MEDIAN)['delta'].item() > -5 and of(table, MEDIAN)['low'].item() < of(table, MEDIAN)['delta'].item()
    )


def test_the_mean_image_has_the_numbers_of_the_comparison_table():
    results = world(np.array([3.0, -2.0]))
    mean = hidden_table(results, 0.5).query('score == @MEAN').set_index('stack')
    compared = comparison_table(results).query("metric == 'dice'").set_index('stack')
    for name in ('delta', 'low', 'high', 'checkpoints_low', 'checkpoints_high', 'lenders'):
        np.testing.assert_allclose(mean.loc[list('abcd'), name], compared.loc[list('abcd'), name].astype(float))
    assert (mean['lenders'] == 5).all()


def test_what_the_mean_says_too_is_not_told():
    assert hidden_answer(hidden_table(world(2.0), 0.5), LABELS, 0.5) == ''
    small = hidden_table(world(np.array([0.3, -0.3]), noise=0.02), 0.5)
    assert of(small, POOLED)['verdict'].to_dict() == {'cell': 'gain', 'rim': 'loss'}
    assert hidden_answer(small, LABELS, 0.5) == ''  # within the margin


def test_one_seed_speaks_of_these_networks():
    table = hidden_table(world(np.array([3.0, -3.0]), seeds=(0,)), 0.5)
    assert set(table['verdict']) == {'undecided'}
    assert ', of these networks alone: class' in hidden_answer(table, LABELS, 0.5)


def test_a_single_class_is_the_mean_image_already():
    table = hidden_table(world(2.0, classes=('background', 'cell')), 0.5)
    assert set(table['score']) == {MEAN, MEDIAN, POOLED}


def test_a_grid_without_comparisons_has_no_rows():
    results = world(2.0)
    table = hidden_table(results._replace(grid=results.grid | dict(comparisons=[])), 0.5)
    assert table.empty and hidden_answer(table, LABELS, 0.5) == '' and isinstance(table, pd.DataFrame)
