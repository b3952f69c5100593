"""Tables of folds beside dumped configs: which files are copied, and where a config reads them."""

import pytest

from benchmarks.data.fold_tables import copy_tables, table_name, with_tables
from benchmarks.errors import BadInput

TABLE = b'source,index,image,group\n0,0,a.png,\n'


def config(path):
    leaf = dict(type='MergedSplits', sources=[dict(type='A', ann_file='list.txt')], ann_file=str(path))
    return dict(test_dataloader=dict(dataset=dict(type='RepeatDataset', times=1, dataset=leaf)))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / 'work' / 'folds' / table_name(TABLE)
    path.parent.mkdir(parents=True)
    path.write_bytes(TABLE)
    return path


def test_a_copy_is_read_where_the_work_dir_is_gone(table, tmp_path):
    copies = tmp_path / 'configs' / 'folds'
    copy_tables([config(table), config(table), {}], copies)
    table.unlink()
    assert [path.read_bytes() for path in copies.iterdir()] == [TABLE]
    assert with_tables(config(table), copies) == config(copies / table.name)


def test_a_table_without_a_copy_stays_in_its_place(table, tmp_path):
    assert with_tables(config(table), tmp_path / 'none') == config(table)


def test_other_lists_of_images_are_no_tables(tmp_path):
    own = tmp_path / 'folds' / f'{"a" * 24}.csv'
    own.parent.mkdir()
    own.write_bytes(TABLE)  # its name is not that of its content
    copy_tables([config(own), config('gone/list.txt'), config('work/folds/gone.csv')], tmp_path / 'copies')
    assert not (tmp_path / 'copies').exists()
    assert with_tables(config('gone/list.txt'), tmp_path / 'copies') == config('gone/list.txt')


def test_a_lost_table_is_named_with_the_cure(tmp_path):
    path = f'work/folds/{table_name(TABLE)}'
    with pytest.raises(BadInput, match=f'{path} is missing.*--dry-run in the folder where it ran'):
        with_tables(config(path), tmp_path)
