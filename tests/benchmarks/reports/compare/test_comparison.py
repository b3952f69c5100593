"""Two output folders side by side: what was planted is found, and nothing else."""

import json
import shutil

import pandas as pd
import pytest

from benchmarks.record import read_grid_json, write_grid
from benchmarks.reports.compare.comparison import NothingShared, compare_folders
from benchmarks.reports.compare.page import write_comparison
from benchmarks.stacks.compose import dump_config

GAINS = dict(baseline=0.0, attention=0.001, **{'attention+loss': 0.06})
LAST = 'attention+loss'


def with_configs(out, **ratios):
    for row in read_grid_json(out)['rows']:
        ratio = ratios.get(row['label'].strip('+ '), 0.1)
        config = dict(model=dict(type='FCN', heads=[dict(ratio=ratio, size=(3, 5))]), randomness=dict(seed=0))
        dump_config(config, out / 'configs' / f'{row["stack"]}__seed0.py')
    return out


def edit_record(out, name, **fields):
    path = out / 'records' / f'{name}.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def before(tmp_path, synthetic_writer):
    return with_configs(synthetic_writer(tmp_path / 'before', failed=()))


@pytest.fixture
def after(tmp_path, synthetic_writer):
    """The last row is better by two points and slower, its config has another value, and so has the environment."""
    out = synthetic_writer(tmp_path / 'after', failed=(), quality=GAINS | {LAST: 0.08})
    profile = json.loads((out / 'records' / f'{LAST}__profile.json').read_text())
    edit_record(out, f'{LAST}__profile', latency_ms={k: [2 * v for v in s] for k, s in profile['latency_ms'].items()})
    write_grid(out, read_grid_json(out) | dict(environment=dict(python='3.11', torch='2.14')))
    return with_configs(out, loss=0.2)


def verdicts(found, metric='dice'):
    table = found.moved[found.moved['metric'] == metric]
    return dict(zip(table['stack'], table['verdict']))


def test_the_same_folder_twice_has_moved_nowhere(before, tmp_path):
    found = compare_folders(before, before)
    assert set(found.moved['verdict']) == {'not effective', 'within noise'} and found.changes.empty
    text = write_comparison(before, before, tmp_path / 'page').read_text()
    assert '**By Dice no row moved beyond noise**, of 3. In 3 rows every count of every image is the same.' in text
    assert 'Nothing: grid, environment, data, configs and the keys of all stages are the same.' in text


def ask(out, **fields):
    """Records whose question has other fields."""
    asked = dict(metric='dice', equivalence_margin=0.5, method='', primary=[], n_results=0) | fields
    write_grid(out, read_grid_json(out) | dict(questions=[asked], equivalence_margin=asked['equivalence_margin']))


def test_a_margin_holds_for_scores_of_its_unit_alone(before, after):
    ask(before, metric='hd95_px', equivalence_margin=1000)
    ask(after, metric='hd95_px', equivalence_margin=1000)
    of_metric = compare_folders(before, after).moved.groupby('metric')['verdict'].agg(set)
    assert 'within noise' not in of_metric['hd95_px'] and 'equivalent' not in of_metric['dice']
    ask(after, equivalence_margin=1000)  # now no score has a margin in both
    assert 'equivalent' not in set(compare_folders(before, after).moved['verdict'])


def test_what_was_asked_is_compared_too(before, after):
    ask(before)
    ask(after, primary=[['a', 'b']])
    write_grid(after, read_grid_json(after) | dict(validation_share=0.2))
    changes = compare_folders(before, after).changes.set_index('name')
    assert changes.loc['validation_share', ['before', 'after']].tolist() == ['None', '0.2']
    assert changes.loc['primary comparisons', 'after'] == "[['a', 'b']]"


def test_a_planted_change_is_found_and_no_other(before, after, tmp_path):
    found = compare_folders(before, after)
    assert verdicts(found) == {'baseline': 'not effective', 'attention': 'not effective', LAST: 'gain'}
    assert verdicts(found, 'latency_ms_p50')[LAST] == 'slower'
    row = found.moved[found.moved['stack'] == LAST].iloc[0]
    assert row['how'] == 'paired' and row['n_seeds'] == 3 and 1 < row['low'] < row['delta'] < row['high'] < 4
    assert row['delta'] == pytest.approx(row['after'] - row['before'])
    changes = {tuple(change) for change in found.changes.itertuples(index=False)}
    assert changes == {
        ('all rows', 'environment', 'torch', '2.13', '2.14'),
        (LAST, 'config', 'model.heads.0.ratio', '0.1', '0.2'),
    }
    text = write_comparison(before, after, tmp_path / 'page').read_text()
    assert '**By Dice 1 of 3 rows moved beyond noise:** “+ loss” (+' in text and '3 rows are paired' in text
    assert f'| `{LAST}` | `model.heads.0.ratio` | `0.1` | `0.2` |' in text
    assert len(pd.read_csv(tmp_path / 'page' / 'moved.csv')) == len(found.moved)


def test_the_other_way_round_the_gain_is_a_loss(before, after):
    assert verdicts(compare_folders(after, before))[LAST] == 'loss'


def test_other_images_or_seeds_are_not_paired(before, after, tmp_path, synthetic_writer):
    grid = read_grid_json(after)
    write_grid(after, grid | dict(dataset=grid['dataset'] | dict(fingerprint=dict(test='other'))))
    found = compare_folders(before, after)
    scores = found.moved[found.moved['how'].notna()]
    assert set(scores['how']) == {'unpaired'} and found.unpaired == 'the test images differ'
    paired = compare_folders(before, before).moved
    assert verdicts(found)['baseline'] == 'undecided' and set(paired['how'].dropna()) == {'paired'}
    assert (
        '3 rows are not paired (the test images differ)' in write_comparison(before, after, tmp_path / 'p').read_text()
    )

    others = synthetic_writer(tmp_path / 'others', seeds=(7, 8, 9), failed=())
    found = compare_folders(before, others)
    assert set(found.moved['how'].dropna()) == {'unpaired'} and not found.unpaired
    assert '(they share no seed)' in write_comparison(before, others, tmp_path / 'q').read_text()


def test_seeds_that_both_have_are_compared(before, tmp_path, synthetic_writer):
    fewer = synthetic_writer(tmp_path / 'fewer', seeds=(1, 2), failed=())
    row = compare_folders(before, fewer).moved.iloc[0]
    assert row['n_seeds'] == 2 and row['before'] == row['after'] and row['verdict'] == 'not effective'


def test_what_changed_in_all_rows_is_told_once_and_other_code_shows_in_the_keys(before, tmp_path):
    after = tmp_path / 'after'
    shutil.copytree(before, after)
    with_configs(after, baseline=0.3, attention=0.3, loss=0.3)
    edit_record(after, 'attention__seed0', keys=dict(train='other', predict='pattention', refine=None))
    changes = [tuple(change) for change in compare_folders(before, after).changes.itertuples(index=False)]
    assert changes == [
        ('all rows', 'config', 'model.heads.0.ratio', '0.1', '0.3'),
        ('attention', 'stage', 'train', 'tattention', 'other'),
    ]


def test_folders_without_a_common_row_are_refused(before, tmp_path, synthetic_writer):
    other = synthetic_writer(tmp_path / 'other', failed=())
    for path in (other / 'records').glob('*.json'):
        path.unlink()
    grid = read_grid_json(other)
    row = dict(stack='x', techniques=['x'], label='x', published_dice=None)
    write_grid(other, grid | dict(rows=[row], comparisons=[]))
    with pytest.raises(NothingShared, match=r'share no row: .*before has baseline; attention; .*other has x$'):
        compare_folders(before, other)


def test_names_are_text_and_never_markup(before, after, tmp_path):
    grid = read_grid_json(after)
    for row in grid['rows']:
        row['label'] = 'a|b <b>_x_'
    write_grid(after, grid | dict(environment=dict(python='`x` <script>|', torch='2.13')))
    text = write_comparison(before, after, tmp_path / 'page').read_text()
    assert r'| a\|b \<b\>\_x\_ |' in text and '`` `x` <script>\\| ``' in text


def test_an_unfinished_run_is_called_so(before, tmp_path):
    after = tmp_path / 'after'
    shutil.copytree(before, after)
    (after / 'records' / f'{LAST}__seed2.json').unlink()
    write_grid(after, read_grid_json(after) | dict(open=dict(cells=[f'{LAST}__seed2'], profiles=[])))
    text = write_comparison(before, after, tmp_path / 'page').read_text()
    assert 'after` is not finished: 1 of its cells are open.' in text
