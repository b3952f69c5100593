import numpy as np
import pandas as pd
import pytest
from told_pairs import NUMBERS
from told_pairs import told as compared

from benchmarks.analysis.counts import CellCounts, Counts
from benchmarks.record import stack_name
from benchmarks.reports.results import Results
from benchmarks.reports.strata_answer import strata_answer
from benchmarks.reports.strata_table import CLASS, CONDITION, DIFFICULTY, SIZE
from benchmarks.reports.strata_table import strata_table as table_of

GROUPS = np.repeat(np.arange(8), 3)
SIZES = np.resize((100, 900, 5000), len(GROUPS))  # of class 1; class 2 has 2,000 px everywhere
LABELS = {'baseline': 'baseline', 'tta': 'TTA', 'noise': 'noise', 'tta+noise': 'TTA, noise'}


def strata_table(results):
    return table_of(results, results.grid['equivalence_margin'])


def grid_of(gain, seeds=(0, 1, 2), teams=((), ('tta',)), noise=0.1, spread=0.0):
    """Records in which ``gain(team)`` is what a team gains on each unit, (N, 2) or a number, in Dice points.

    Args:
        gain: The function.
        seeds: The seeds.
        teams: The rows; ``noise`` is a condition.
        noise: Standard deviation over images and seeds, points.
        spread: Standard deviation over seeds of the gain, points.
    """
    rng = np.random.default_rng(0)
    pixels = np.stack([SIZES, np.full(len(SIZES), 2000)], 1)
    images = 70 + rng.normal(0, 3, (len(SIZES), 1))
    rows, cells = [], {}
    for team in teams:
        name = stack_name(team)
        rows.append(dict(stack=name, techniques=list(team), label=name, published_dice=None))
        for seed in seeds:
            level = images + gain(frozenset(team)) + rng.normal(0, noise, pixels.shape) + rng.normal(0, spread)
            tp = level / 100 * pixels * 1000  # counts in thousandths of a pixel, so that rounding plays no part
            area = np.stack([tp, pixels * 1000 - tp, pixels * 1000 - tp], 2).astype(np.int64)
            area = np.concatenate([np.zeros_like(area[:, :1]), area], 1)
            nothing = np.full(area.shape[:2], np.nan)
            cells[f'{name}__seed{seed}'] = CellCounts(area, area, area[..., :2], nothing, nothing)
    grid = dict(
        rows=rows,
        seeds=list(seeds),
        classes=['background', 'cell', 'rim'],
        background=0,
        equivalence_margin=0.5,
        comparisons=[dict(design='each_alone', stack='tta', reference='baseline')]
        + [dict(design='each_alone@noise', stack='tta+noise', reference='noise')] * (len(teams) == 4),
    )
    records = {cell: dict(status='ok', train=None, keys=dict(train=cell), acted={}) for cell in cells}
    return Results(grid, records, {}, Counts(cells, [f'image{n}' for n in range(len(SIZES))], GROUPS))


def on_small(team):
    gains = np.zeros((len(SIZES), 2))
    gains[:, 0] = np.where(SIZES < 1000, 4.0, 0.0)
    return gains * ('tta' in team)


def rows_of(table, by):
    return table[table['by'] == by].set_index('stratum')


def test_a_gain_on_small_objects_alone_is_found_and_said():
    table = strata_table(grid_of(on_small))
    sizes = rows_of(table, SIZE)
    small = sizes.iloc[0]
    assert small.name.startswith('areas under ') and small['gain'] == pytest.approx(4, abs=0.2)
    assert sizes['verdict'].tolist() == ['gain', 'equivalent', 'equivalent']
    assert sizes['more_verdict'].iloc[0] == 'gain' and sizes['units'].sum() == 2 * len(SIZES)
    text = strata_answer(table, LABELS, 0.5)
    assert 'Shown for other images and another training' in text
    assert '“TTA” against “baseline”, by the area of a class in an image: gains on areas under ' in text
    assert 'makes no difference on areas of' in text and 'Shown to differ: areas under ' in text


def test_an_open_stratum_says_where_its_interval_excludes_0_alone():
    table = strata_table(grid_of(on_small))
    others = table['verdict'] == 'equivalent'
    text = strata_answer(table.assign(verdict=table['verdict'].mask(others, 'undecided')), LABELS, 0.5)
    assert 'open on ' in text and 'not after correction' not in text
    alone = table.assign(
        verdict=table['verdict'].mask(others, 'undecided'), low=table['low'].mask(others, 0.1), high=table['high'] + 1
    )
    assert '] (excludes 0, not after correction)' in strata_answer(alone, LABELS, 0.5).split('open on ')[1]


def test_comparisons_without_a_stratum_that_differs_are_named():
    table = strata_table(grid_of(on_small))
    assert 'No stratum is shown to differ' not in strata_answer(table, LABELS, 0.5)
    even = table.assign(stack='even', more_verdict='undecided', more_checkpoints_verdict='equivalent')
    text = strata_answer(pd.concat([table, even]), LABELS | {'even': 'Even'}, 0.5)
    assert 'No stratum is shown to differ from the others: “Even” against “baseline”.' in text


def test_classes_have_their_names():
    classes = rows_of(strata_table(grid_of(lambda team: np.array([2.0, 0.0]) * ('tta' in team))), CLASS)
    assert classes.loc['class “cell”', 'gain'] == pytest.approx(2, abs=0.1)
    assert classes.loc['class “rim”', 'verdict'] == 'equivalent'
    assert classes['more'].sum() == pytest.approx(0, abs=1e-9)


def test_the_same_gain_everywhere_is_no_answer_to_when():
    table = strata_table(grid_of(lambda team: 2.0 * ('tta' in team)))
    assert set(table['verdict']) == {'gain'} and set(table['by']) == {SIZE, CLASS, DIFFICULTY}
    assert strata_answer(table, LABELS, 0.5) == ''


def test_a_gain_that_seeds_disagree_on_is_one_of_these_networks():
    table = strata_table(grid_of(lambda team: on_small(team) * 0.3, spread=3.0))
    assert not table['verdict'].isin(('gain', 'loss')).any()
    text = strata_answer(table, LABELS, 0.5)
    # The seeds move all units alike, so that the difference between strata is shown for another training, too.
    assert 'Shown for other images and another training' in text


def test_one_seed_speaks_of_these_networks_alone():
    table = strata_table(grid_of(on_small, seeds=(0,)))
    assert DIFFICULTY not in set(table['by']) and set(table['verdict']) == {'undecided'}
    text = strata_answer(table, LABELS, 0.5)
    assert 'another training may do otherwise' in text and 'and another training:' not in text


def test_a_gain_under_a_condition_alone():
    teams = ((), ('tta',), ('noise',), ('tta', 'noise'))
    table = strata_table(grid_of(lambda team: 3.0 * (team == {'tta', 'noise'}) - 20 * ('noise' in team), teams=teams))
    rows = rows_of(table, CONDITION)
    assert rows.index.tolist() == ['clean images', 'images under `noise`']
    assert rows['gain'].tolist() == pytest.approx([0, 3], abs=0.1)
    assert rows['more'].iloc[1] == pytest.approx(3, abs=0.1) and rows['more_verdict'].iloc[1] == 'gain'
    text = strata_answer(table, LABELS, 0.5)
    assert 'by condition: gains on images under `noise`' in text and 'minus the clean images, +3.' in text


def test_rows_that_the_grid_compares_have_verdict_and_numbers_of_that_comparison():
    teams = ((), ('tta',), ('noise',), ('tta', 'noise'))
    results = grid_of(lambda team: 3.0 * (team == {'tta', 'noise'}) - 20 * ('noise' in team), teams=teams)
    by_pair = {('tta+noise', 'noise'): compared('undecided', 'loss')}
    rows = rows_of(table_of(results, 0.5, by_pair), CONDITION)
    ends = ['low', 'high', 'checkpoints_low', 'checkpoints_high', 'n_seeds']
    numbers = rows.loc['images under `noise`', ['gain', *ends]].tolist()
    assert numbers == [NUMBERS[name] for name in ('delta', *ends)]
    assert rows.loc['images under `noise`', ['verdict', 'checkpoints_verdict']].tolist() == ['undecided', 'loss']
    assert rows.loc['images under `noise`', 'more_verdict'] == 'gain'  # no difference of two rows
    own = rows_of(strata_table(results), CONDITION)
    assert rows.loc['clean images', 'verdict'] == own.loc['clean images', 'verdict'] != 'undecided'


def test_equal_predictions_and_rows_that_have_learned_nothing_are_left_out():
    results = grid_of(lambda team: 0.0, noise=0.0)
    assert strata_table(results).empty and strata_answer(strata_table(results), LABELS, 0.5) == ''
    results = grid_of(on_small)
    cell = results.counts.cells['tta__seed0']
    area = cell.area.copy()
    area[:, 1:, 2] += area[:, 1:, 0]
    area[:, 1:, :2] = 0
    area[:, 0, 0] = 10
    results.counts.cells['tta__seed0'] = cell._replace(area=area)
    assert strata_table(results).empty


def test_steps_of_one_technique_are_told_rather_than_stacks_that_inherit_them():
    table = strata_table(grid_of(on_small))
    inherited = table.assign(changed=2, stack='many', more=9.0)
    text = strata_answer(pd.concat([table, inherited]), LABELS | {'many': 'many'}, 0.5)
    assert '“TTA” against' in text and '“many”' not in text
    assert '“many” against “baseline”' in strata_answer(inherited, LABELS | {'many': 'many'}, 0.5)


def told(text):
    """The stacks of the items of a section, in their order."""
    return [line[3:].partition('”')[0] for line in text.splitlines() if line.startswith('- “')]


@pytest.mark.parametrize('level', ['', 'checkpoints_'])
def test_each_comparison_is_told_once_before_one_with_a_large_effect_is_told_again(level):
    table = strata_table(grid_of(on_small)).assign(more_verdict='undecided', more_checkpoints_verdict='undecided')
    assert table['by'].nunique() == 3  # each of them could be told of each comparison
    loud, quiet = (
        table.assign(stack=name, more=more, **{f'more_{level}verdict': 'loss'})
        for name, more in (('loud', -20.0), ('quiet', -1.0))
    )
    both, labels = pd.concat([loud, quiet]), dict(LABELS, loud='loud', quiet='quiet')
    assert told(strata_answer(both, labels, 0.5)) == ['loud', 'quiet'] * 3
    assert told(strata_answer(both, labels, 0.5, {frozenset(('quiet', 'baseline'))}))[:2] == ['quiet', 'loud']


def test_of_one_comparison_the_largest_difference_is_told_first_and_the_list_is_short():
    table = strata_table(grid_of(on_small)).assign(more_verdict='gain')
    table = table.assign(more=table['by'].map({SIZE: 1.0, CLASS: 3.0, DIFFICULTY: 2.0}))
    items = [line for line in strata_answer(table, LABELS, 0.5).splitlines() if line.startswith('- ')]
    assert 'by class' in items[0] and 'in its other seeds' in items[1] and 'by the area' in items[2]
    many = pd.concat([table.assign(stack=f'n{number}') for number in range(9)])
    text = strata_answer(many, {f'n{number}': f'n{number}' for number in range(9)} | LABELS, 0.5)
    assert len(set(told(text))) == len(told(text)) == 6 and '- and 21 more in the table.' in text
