"""What is written for reports: a config that mmseg reads back, and folders that are not ours stay."""

import pytest
from mmengine.config import Config

from benchmarks.data.fold_tables import table_name
from benchmarks.errors import BadInput
from benchmarks.files import write_atomic
from benchmarks.plan.plan import Cell, Plan
from benchmarks.session import outputs
from benchmarks.session.outputs import refuse_foreign_folder, write_outputs
from benchmarks.stacks.compose import dump_config
from benchmarks.store.checksums import altered


def test_a_dumped_config_reads_back_as_it_was(tmp_path):
    config = dict(model=dict(type='EncoderDecoder', crop=(3, 5), head=[dict(a=1), None]), note="it's", number=1e-5)
    dump_config(config, tmp_path / 'cell.py')
    assert Config.fromfile(tmp_path / 'cell.py').to_dict() == config


@pytest.mark.parametrize('name', ['records', 'configs'])
def test_a_folder_that_no_grid_has_written_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(BadInput, match=f"a folder '{name}'.*name a new folder"):
        refuse_foreign_folder(tmp_path)


def test_a_new_folder_and_a_grids_own_are_welcome(tmp_path):
    assert refuse_foreign_folder(tmp_path / 'new') is None
    for name in ('records', 'configs'):
        (tmp_path / name).mkdir()
    (tmp_path / 'grid.json').write_text('{}')
    assert refuse_foreign_folder(tmp_path) is None


def test_the_tables_of_folds_stand_beside_the_configs(tmp_path, monkeypatch):
    content = b'source,index,image,group\n0,0,a.png,\n'
    table = tmp_path / 'work' / 'folds' / table_name(content)
    write_atomic(table, content)
    dataset = dict(type='MergedSplits', sources=[], ann_file=str(table))
    cell = Cell((), 0, dict(test_dataloader=dict(dataset=dataset)), (('train', 't'), ('predict', 'p')))
    plan = Plan([cell], {}, {}, [])
    grid = dict(open=dict(cells=[cell.name], profiles=[]), classes=['a', 'b'])
    for name in ('_counts', '_strata'):
        monkeypatch.setattr(f'benchmarks.session.outputs.{name}', lambda *_: iter(()))
    monkeypatch.setattr('benchmarks.session.outputs.write_grid', lambda out, _: (out / 'grid.json').write_text('{}'))
    write_outputs(plan, {}, grid, tmp_path / 'out')
    assert (tmp_path / 'out' / 'configs' / 'folds' / table.name).read_bytes() == content
    assert (tmp_path / 'out' / 'configs' / f'{cell.name}.py').is_file()


def test_a_label_map_that_is_altered_is_noticed(tmp_path, monkeypatch):
    def write_all(plan, results, grid, out):
        (out / 'records').mkdir(parents=True)
        (out / 'records' / 'a.json').write_text('{}')
        (out / 'grid.json').write_text('{}')

    def write_panels(fresh):
        (fresh / 'records' / 'labels').mkdir()
        (fresh / 'records' / 'labels' / 'panels.json').write_text('81.5')

    monkeypatch.setattr(outputs, '_write_all', write_all)
    outputs.write_outputs(Plan([], {}, {}, []), {}, {}, tmp_path, write_panels)
    assert altered(tmp_path) == []
    (tmp_path / 'records' / 'labels' / 'panels.json').write_text('91.5')
    assert altered(tmp_path) == ['records/labels/panels.json']
