import csv
import gzip
import json
import math
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from benchmarks import record


def count_row(**changed):
    row = dict(zip(record.COUNT_COLUMNS, ('baseline__seed0', 'a', 'g', 0, 1, 2, 3, 4, 5, 6, 7, 8, 1.5, 0.5)))
    row.update(changed)
    return row


def test_cell_profile_and_grid_come_back_as_written(tmp_path, synthetic_facts):
    path = record.write_record(tmp_path, synthetic_facts['cell'])
    record.write_profile(tmp_path, synthetic_facts['profile'])
    record.write_grid(tmp_path, synthetic_facts['grid'])
    assert path == tmp_path / 'records' / 'attention__seed1.json'
    assert record.read_records(tmp_path) == [synthetic_facts['cell']]
    assert record.read_profiles(tmp_path) == [synthetic_facts['profile']]
    assert record.read_grid_json(tmp_path) == synthetic_facts['grid']


def test_an_empty_folder_holds_no_records(tmp_path):
    assert record.read_records(tmp_path) == []
    assert record.read_profiles(tmp_path) == []
    with pytest.raises(ValueError, match='grid.json does not exist'):
        record.read_grid_json(tmp_path)


@pytest.mark.parametrize(
    'field, value',
    [
        ('version', 1),
        ('acted', None),
        ('stack', 'loss'),
        ('cell', 'attention__seed2'),
        ('seed', True),
        ('seed', '1'),
        ('status', 'fine'),
        ('reason', 'odd'),
        ('failed_stage', 'train'),
        ('train', None),
        ('changed_pixels', 1.5),
        ('keys', None),
    ],
)
def test_a_wrong_field_is_named_with_its_file(synthetic_facts, field, value):
    synthetic_facts['cell'][field] = value
    with pytest.raises(ValueError, match=rf"records/attention__seed\d\.json: field '{field}'"):
        record.validate(synthetic_facts['cell'])


@pytest.mark.parametrize('name', ['reason', 'train', 'config', 'changed_pixels'])
def test_a_missing_field_is_named(synthetic_facts, name):
    del synthetic_facts['cell'][name]
    with pytest.raises(ValueError, match=f"field '{name}' is missing"):
        record.validate(synthetic_facts['cell'])


def test_nested_fields_are_checked(synthetic_facts):
    synthetic_facts['cell']['train']['seconds'] = 'long'
    with pytest.raises(ValueError, match="field 'train.seconds' is 'long'"):
        record.validate(synthetic_facts['cell'])
    synthetic_facts['profile']['latency_ms']['views'][3] = None
    with pytest.raises(ValueError, match="records/baseline__profile.json: field 'latency_ms.views'"):
        record.validate_profile(synthetic_facts['profile'])


def test_the_loss_of_the_best_constant_may_be_missing_or_unknown_but_not_wrong(synthetic_facts):
    train = synthetic_facts['cell']['train']
    assert 'best_constant' not in train and record.validate(synthetic_facts['cell']) is None
    for known in (None, dict(steps=1, loss=0.5, constant=0.7)):
        train['best_constant'] = known
        assert record.validate(synthetic_facts['cell']) is None
    for wrong, field in (('high', 'best_constant'), (dict(steps=1, loss='low', constant=0.7), 'best_constant.loss')):
        train['best_constant'] = wrong
        with pytest.raises(ValueError, match=f"field 'train.{field}' is "):
            record.validate(synthetic_facts['cell'])


def test_the_course_of_a_training_may_be_missing_or_unknown_but_not_wrong(synthetic_facts):
    train = synthetic_facts['cell']['train']
    norm = dict(updates=3, median=1.0, largest=2.0, first=1.0, last=1.0)
    known = dict(
        loss_by_tenth=[1.0, 0.5], lr_by_tenth=[0.1, 0.01], loss_spikes=0, grad_norm=norm, device_memory_mib=8192.0
    )
    for facts in ({}, known, dict.fromkeys(known)):
        record.validate(synthetic_facts['cell'] | dict(train=train | facts))
    for name, wrong, field in (
        ('loss_by_tenth', [1.0, 'low'], 'loss_by_tenth'),
        ('lr_by_tenth', [1.0, None], 'lr_by_tenth'),
        ('loss_spikes', 0.5, 'loss_spikes'),
        ('grad_norm', norm | dict(largest=None), 'grad_norm.largest'),
        ('device_memory_mib', '8 GiB', 'device_memory_mib'),
    ):
        with pytest.raises(ValueError, match=f"field 'train.{field}' "):
            record.validate(synthetic_facts['cell'] | dict(train=train | {name: wrong}))


def test_the_number_of_views_may_be_missing_but_not_wrong(synthetic_facts):
    record.validate(synthetic_facts['cell'] | dict(views=4))
    with pytest.raises(ValueError, match="field 'views' is None"):
        record.validate(synthetic_facts['cell'] | dict(views=None))


def test_a_failure_needs_reason_and_stage(synthetic_facts):
    cell = synthetic_facts['cell'] | dict(status='timeout', train=None)
    with pytest.raises(ValueError, match="field 'reason'"):
        record.validate(cell)
    with pytest.raises(ValueError, match="field 'failed_stage'"):
        record.validate(cell | dict(reason='3600 s are over'))
    assert record.validate(cell | dict(reason='3600 s are over', failed_stage='predict')) is None


_QUESTION = dict(metric='dice', equivalence_margin=1, method='m', primary=[], n_results=0)
_LOOKS = dict(seeds=[2, 3], levels=[0.02, 0.04], followed=['baseline'])


@pytest.mark.parametrize(
    'change, field',
    [
        (dict(background=3), 'background'),
        (dict(seeds=[0, 0]), 'seeds'),
        (dict(equivalence_margin=-1.0), 'equivalence'),
        (dict(lints=[3]), 'lints'),
        (dict(comparisons=[dict(design='d', stack='attention', reference='gone')]), r'comparisons\[0\].reference'),
        (
            dict(questions=[dict(metric='dice', equivalence_margin=1, method='m', primary=[])]),
            r'questions\[0\].n_results',
        ),
        (
            dict(questions=[dict(metric='dice', equivalence_margin=1, method='m', primary=['a'], n_results=0)]),
            r'questions\[0\].primary',
        ),
        (dict(looks=[dict(baseline=2)]), 'looks'),
        (dict(questions=[_QUESTION | dict(looks=dict(seeds=[2, 3]))]), r'questions\[0\].looks.levels'),
        (dict(questions=[_QUESTION | dict(looks=_LOOKS)], looks=[]), 'looks'),
        (dict(questions=[_QUESTION | dict(looks=_LOOKS)], looks=[dict(baseline=2)]), r'looks\[0\]'),
    ],
)
def test_a_grid_that_contradicts_itself_is_refused(synthetic_facts, change, field):
    with pytest.raises(ValueError, match=f"grid.json: field '{field}"):
        record.validate_grid(synthetic_facts['grid'] | change)


def test_a_diverged_loss_becomes_null(tmp_path, synthetic_facts):
    cell = synthetic_facts['cell'] | dict(status='diverged', reason='loss is NaN', failed_stage='train')
    cell['train'] = cell['train'] | dict(final_loss=math.nan)
    path = record.write_record(tmp_path, cell)
    assert json.loads(path.read_text())['train']['final_loss'] is None


def test_damaged_and_misplaced_files_are_named(tmp_path, synthetic_facts):
    path = record.write_record(tmp_path, synthetic_facts['cell'])
    path.rename(path.with_name('other__seed1.json'))
    with pytest.raises(ValueError, match="other__seed1.json: field 'cell'"):
        record.read_records(tmp_path)
    path.with_name('other__seed1.json').write_text('{"version": 1,')
    with pytest.raises(ValueError, match='other__seed1.json: is no JSON'):
        record.read_records(tmp_path)


def test_counts_are_the_same_bytes_in_whatever_order_those_of_a_cell_come(tmp_path):
    rows = [count_row(image=image, **{'class': label}) for image in 'ba' for label in (1, 0)]
    first = record.write_counts(tmp_path / 'one', rows).read_bytes()
    second = record.write_counts(tmp_path / 'two', reversed(rows)).read_bytes()
    assert first == second
    assert first[4:8] == bytes(4)
    assert [line.split(',')[1:4] for line in gzip.decompress(first).decode().splitlines()[1:]] == [
        ['a', 'g', '0'],
        ['a', 'g', '1'],
        ['b', 'g', '0'],
        ['b', 'g', '1'],
    ]


def test_class_names_stand_beside_class_indices(tmp_path):
    rows = [count_row(**{'class': label}) for label in (1, 0)]
    path = record.write_counts(tmp_path, rows, ['background', 'cell, round'])
    with gzip.open(path, 'rt', newline='') as stream:
        read = list(csv.DictReader(stream))
    assert [(row['class'], row['class_name']) for row in read] == [('0', 'background'), ('1', 'cell, round')]
    assert list(read[0]) == [*record.COUNT_COLUMNS, 'class_name']
    without = record.write_counts(tmp_path / 'without', rows)
    assert gzip.decompress(without.read_bytes()).decode().splitlines()[0] == ','.join(record.COUNT_COLUMNS)


@pytest.mark.parametrize('value, text', [(None, ''), (math.nan, ''), (0.1, '0.1'), (np.float64(2), '2.0')])
def test_an_undefined_distance_is_an_empty_field(tmp_path, value, text):
    path = record.write_counts(tmp_path, [count_row(hd95_px=value, assd_px=value, tp=np.int64(9))])
    assert (
        gzip.decompress(path.read_bytes()).decode().splitlines()[1]
        == f'baseline__seed0,a,g,0,9,2,3,4,5,6,7,8,{text},{text}'
    )


def test_wrong_counts_are_refused(tmp_path):
    for changed, field in ((dict(tp=-1), 'tp'), (dict(boundary_fn=1.0), 'boundary_fn'), (dict(more=1), 'more')):
        with pytest.raises(ValueError, match=f"counts.csv.gz: field '{field}'"):
            record.write_counts(tmp_path, [count_row(**changed)])
    with pytest.raises(ValueError, match="'a' comes twice for cell 'baseline__seed0', class 0"):
        record.write_counts(tmp_path, [count_row(), count_row()])


@pytest.mark.parametrize('cells', ['ba', 'aba'])
def test_cells_that_come_in_another_order_are_refused_and_the_file_stays(tmp_path, cells):
    before = record.write_counts(tmp_path, [count_row(cell='a')]).read_bytes()
    with pytest.raises(ValueError, match="field 'cell' 'a' comes after 'b'; cells are written in the order"):
        record.write_counts(tmp_path, [count_row(cell=cell) for cell in cells])
    assert [path.name for path in (tmp_path / 'records').iterdir()] == ['counts.csv.gz']
    assert (tmp_path / 'records' / 'counts.csv.gz').read_bytes() == before


def test_counts_of_many_cells_are_written_piece_by_piece(tmp_path):
    """What is held at a time is that of a cell: twenty times as many cells take no more."""

    def peak(cells):
        rows = (count_row(cell=f'c{n:04}', **{'class': label}) for n in range(cells) for label in range(40))
        tracemalloc.start()
        record.write_counts(tmp_path, rows)
        return [tracemalloc.get_traced_memory()[1], tracemalloc.stop()][0]

    assert peak(400) < 1.2 * peak(20)


def test_record_needs_the_standard_library_only():
    code = (
        'import sys, benchmarks.record; '
        'print([n for n in ("numpy", "pandas", "torch", "mmengine") if n in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_what_a_profile_says_of_the_machine_is_checked_and_may_be_missing(tmp_path, synthetic_facts):
    machine = dict(tries=3, busy='other processes kept 1.0 cores busy', noise=0.1, drift=0.0, calibration_ms=[2.0, 2.0])
    profile = synthetic_facts['profile'] | dict(shared_with=['focal'], weights='a' * 40, machine=machine)
    record.write_profile(tmp_path, profile)
    assert record.read_profiles(tmp_path) == [profile]
    with pytest.raises(ValueError, match='machine.noise'):
        record.validate_profile(profile | dict(machine=machine | dict(noise='much')))


def folded(record_module, facts):
    """A valid record of a fold's cell, and a grid with two folds."""
    name = record_module.cell_name('attention', 1, 0)
    cell = facts['cell'] | dict(version=record_module.WITH_FOLDS, cell=name, fold=0)
    part = dict(train=1, test=1)
    folds = [dict(fold=n, n_images=part, n_groups=part, fingerprint={}, cards={}) for n in range(2)]
    return cell, facts['grid'] | dict(version=record_module.WITH_FOLDS, folds=folds)


def test_a_fold_stands_in_the_name_of_its_record(synthetic_facts, tmp_path):
    cell, grid = folded(record, synthetic_facts)
    path = record.write_record(tmp_path, cell)
    assert path.name == 'attention__seed1__fold0.json'
    record.write_grid(tmp_path, grid)
    assert record.read_records(tmp_path)[0]['fold'] == 0 and len(record.read_grid_json(tmp_path)['folds']) == 2
    for spoilt in (dict(cell, fold=1), dict(cell, fold='0'), dict(cell, cell='attention__seed1')):
        with pytest.raises(ValueError, match='fold|cell'):
            record.validate(spoilt)
    grid['folds'][1]['fold'] = 2
    with pytest.raises(ValueError, match='numbered from 0'):
        record.validate_grid(grid)


def test_files_without_folds_keep_their_version():
    assert record.version_of(()) == record.VERSION and record.version_of([1]) == record.WITH_FOLDS
