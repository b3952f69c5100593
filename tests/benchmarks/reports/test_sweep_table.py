import numpy as np
import pytest

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.reports.results import Results
from benchmarks.reports.sweep_answer import sweep_answer
from benchmarks.reports.sweep_table import sweeps

GROUPS, PIXELS = 8, 100_000


def grid_of(points, noise=0.1, seeds=(0, 1, 2), key='model.head.gamma'):
    """Records of a sweep of ``focal`` (its points by value: Dice in percent) and of the baseline, 70 %."""
    rng = np.random.default_rng(0)
    images = rng.normal(0, 2, GROUPS)
    stacks = {'baseline': 70.0} | {f'focal[gamma={value}]': dice for value, dice in points.items()}
    cells = {}
    for stack, dice in stacks.items():
        for seed in seeds:
            tp = np.round((dice + images + rng.normal(0, noise)) / 100 * PIXELS).astype(np.int64)
            area = np.stack([np.full((GROUPS, 3), (PIXELS, 0, 0)), np.stack([tp, *[PIXELS - tp] * 2], 1)], 1)
            nothing = np.full((GROUPS, 2), np.nan)
            cells[f'{stack}__seed{seed}'] = CellCounts(area, area, area[..., :2], nothing, nothing)
    names = list(stacks)[1:]
    grid = dict(
        rows=[dict(stack='baseline', techniques=[], label='baseline', published_dice=None)]
        + [dict(stack=name, techniques=[name], label=name, published_dice=None) for name in names],
        seeds=list(seeds),
        classes=['background', 'object'],
        background=0,
        equivalence_margin=0.5,
        comparisons=[dict(design='sweep', stack=name, reference='baseline') for name in names],
        variants=[
            dict(name=name, called=name, technique='focal', values={key: value}, texts={key: str(value)})
            for name, value in zip(names, points)
        ],
    )
    records = {cell: dict(status='ok', train=None, keys=dict(train=cell), acted={}) for cell in cells}
    return Results(grid, records, {}, Counts(cells, [f'image{n}' for n in range(GROUPS)], np.arange(GROUPS)))


def test_the_region_of_a_parabola_is_around_its_top():
    (sweep,) = sweeps(grid_of({value: 80 - (value - 3) ** 2 for value in (1, 2, 2.5, 3, 3.5, 4, 5)}))
    near = sweep.table.set_index('settings')['p_near_best']
    assert near[['gamma=2.5', 'gamma=3', 'gamma=3.5']].tolist() == pytest.approx([1, 1, 1], abs=0.02)
    assert near[['gamma=1', 'gamma=2', 'gamma=4', 'gamma=5']].max() < 0.02
    assert sweep.table['surface'].tolist() == pytest.approx(sweep.table['dice'].tolist(), abs=0.3)
    text = sweep_answer([sweep])
    assert '`focal`: 3 of 7 points (gamma 2.5 to 3.5) are more likely than not within 0.5 percent points' in text
    assert 'Not as good, with a chance of 95 % or more: gamma=1; gamma=2; gamma=4; gamma=5.' in text
    assert 'The best mean has gamma=3' in text or 'The best mean has gamma=2.5' in text


def test_neighbours_lend_a_point_their_evidence():
    flat = dict.fromkeys(range(1, 10), 80.0)
    (with_surface,) = sweeps(grid_of(flat, noise=1.0))
    (without,) = sweeps(grid_of({f'v{value}': dice for value, dice in flat.items()}, noise=1.0))
    assert without.table['surface'].isna().all() and without.values == {}
    assert with_surface.table['p_near_best'].mean() > without.table['p_near_best'].mean()


def test_where_no_value_matters_the_text_says_so():
    text = sweep_answer(sweeps(grid_of(dict.fromkeys((1, 2, 3, 4, 5), 80.0), noise=0.02)))
    assert (
        'each of the 5 points is more likely than not within 0.5 percent points of the best: none of them matters'
        in text
    )


def test_values_that_are_no_numbers_are_named():
    (sweep,) = sweeps(grid_of(dict(mean=80.0, max=79.9, vote=75.0)))
    assert '2 of 3 points (gamma=mean; gamma=max) are' in sweep_answer([sweep])


def test_two_points_are_no_sweep_and_other_designs_are_none():
    assert sweeps(grid_of({1: 80.0, 2: 81.0})) == [] and sweep_answer([]) == ''
    results = grid_of({1: 80.0, 2: 81.0, 3: 82.0})
    for comparison in results.grid['comparisons']:
        comparison['design'] = 'each_alone'
    assert sweeps(results) == []
    del results.grid['variants']
    assert sweeps(results) == []


def test_a_variant_with_the_technique_s_own_values_is_a_point():
    results = grid_of({1: 80.0, 2: 81.0, 3: 82.0})
    results.grid['variants'][1]['called'] = 'focal'
    results.grid['rows'][2] |= dict(techniques=['focal'])
    (sweep,) = sweeps(results)
    assert sweep.table['settings'].tolist() == ['gamma=1', 'gamma=2', 'gamma=3'] and sweep.values['gamma'] == [1, 2, 3]


def with_validation(results, dice):
    """The records with Dice on validation images, by point; the seeds lie around it."""
    results.grid['n_validation_images'] = 12
    for cell, one in results.records.items():
        stack, _, seed = cell.partition('__seed')
        value = dice.get(stack.partition('=')[2].rstrip(']'))
        one |= dict(stack=stack, seed=int(seed), validation_dice=None if value is None else value + int(seed) - 1)
    return results


def test_a_point_is_chosen_on_validation_images_and_its_test_score_is_told():
    results = with_validation(grid_of({1: 80.0, 2: 84.0, 3: 82.0}), {'1': 70.0, '2': 71.0, '3': 73.0})
    (sweep,) = sweeps(results)
    assert sweep.table['validation_dice'].tolist() == [70, 71, 73] and sweep.table['chosen'].tolist() == [0, 0, 1]
    text = sweep_answer([sweep], 12)
    score = f'{sweep.table["dice"][2]:.1f}'
    assert f'chosen on validation images is **gamma=3** (73.0 % there), which scores {score} % on the test' in text
    assert '(1 of the other points score more there)' in text and 'best of its sweep on 12 validation images' in text
    assert 'values were compared on the test images' not in text and '| 73.0 (chosen) |' in text


def test_without_validation_images_the_text_says_that_the_test_was_compared():
    text = sweep_answer(sweeps(grid_of({1: 80.0, 2: 84.0, 3: 82.0})))
    assert '**values were compared on the test images**' in text and "`choose='validation'`" in text
    assert 'chosen on validation' not in text and 'validation Dice' not in text


def test_of_points_that_are_equal_on_validation_images_the_first_is_chosen():
    results = with_validation(grid_of({1: 80.0, 2: 84.0, 3: 82.0}), dict.fromkeys('123', 70.0))
    assert sweeps(results)[0].table['chosen'].tolist() == [1, 0, 0]


def test_nothing_is_chosen_where_a_point_lacks_its_score():
    results = with_validation(grid_of({1: 80.0, 2: 84.0, 3: 82.0}), {'1': 70.0, '2': 71.0})
    (sweep,) = sweeps(results)
    assert not sweep.table['chosen'].any() and '**values were compared on the test' in sweep_answer([sweep], 12)
