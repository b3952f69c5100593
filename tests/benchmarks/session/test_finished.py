"""The commands on a finished grid: flags that do not go with them, and the folder of the records."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.errors import BadInput
from benchmarks.session.finished import finished_folder, own_module_folders

ROOT = Path(__file__).resolve().parents[3]
VERIFY, EXPORT = ['--verify', 'results', 'baseline__seed0'], ['--export', 'baseline']


@pytest.mark.parametrize(
    'flags, said',
    [
        ([*VERIFY, '--seeds', '2'], ['--seeds does not go with --verify']),
        ([*VERIFY, 'grid.py'], ['GRID does not go with --verify']),
        ([*VERIFY, '--out', 'x', '--dry-run'], ['--out does not go with', '--dry-run does not go with']),
        ([*VERIFY, *EXPORT], ['--export does not go with --verify']),
        ([*VERIFY, '--jobs', '0'], ['--jobs 0: give at least 1']),
        (
            EXPORT,
            ['--export baseline needs the folder to write: python run_ablation.py [GRID] --export STACK --out DIR'],
        ),
        (
            [*EXPORT, '--out', 'x', '--device', 'cpu'],
            ['--device does not go with --export, which takes GRID, --work-dir'],
        ),
        ([*EXPORT, '--out', 'x', '--check'], ['--check does not go with --export']),
        ([*EXPORT, '--out', 'x', '--report-only', '--max-maps', '1GB'], ['--report-only does', '--max-maps does']),
        ([*EXPORT, '--out', 'x', '--collect-garbage'], ['--collect-garbage does not go with --export']),
        (
            ['--compare', 'a', 'b', '--out', 'x', '--dry-run'],
            ['--dry-run does not go with --compare, which takes --out'],
        ),
        (['--compare', 'a', 'b', 'grid.py'], ['GRID does not go with --compare']),
        (['--verify', 'no_such_folder', 'baseline__seed0', '--device', 'cpu'], ['grid.json does not exist']),
    ],
)
def test_flags_that_do_not_go_together_are_refused(flags, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(flags, ROOT) == 2
    error = capsys.readouterr().err
    assert all(text in error for text in said), error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('flags', [['--verify', 'results'], ['--export']])
def test_a_missing_word_is_refused_with_the_usage(flags, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags, ROOT)
    assert ended.value.code == 2 and 'usage' in capsys.readouterr().err


@pytest.fixture
def project(synthetic_out, tmp_path):
    """A grid's file, and its records in the work dir."""
    grid = tmp_path / 'grids' / 'tiny.py'
    grid.parent.mkdir()
    grid.write_text("title = 'Tiny'\nbaseline = 'mmseg::x.py'\ndesigns = [dict(type='each_alone', techniques=['a'])]\n")
    shutil.copytree(synthetic_out, tmp_path / 'work' / 'tiny')
    return grid, tmp_path / 'work'


def test_the_records_are_in_the_work_dir_or_in_a_folder_that_is_named(project, tmp_path):
    grid, work = project
    assert finished_folder(grid, work) == work / 'tiny' == finished_folder(work / 'tiny', tmp_path / 'elsewhere')


def test_without_records_nothing_can_be_read(project, tmp_path):
    grid, _ = project
    for given in (grid, tmp_path):
        with pytest.raises(BadInput, match='holds no records of a grid; run the grid first'):
            finished_folder(given, tmp_path / 'elsewhere')


def test_records_of_another_grid_are_refused(project):
    grid, work = project
    other = grid.with_name('other.py')
    other.write_text(grid.read_text().replace('Tiny', 'Other'))
    path = work / 'tiny' / 'grid.json'
    content = json.loads(path.read_text()) | dict(source=dict(file='../../grids/other.py', state='x'))
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match='holds the records of the grid .*other.py'):
        finished_folder(grid, work)
    assert own_module_folders(work / 'tiny') == [other.parent]
    other.unlink()
    assert own_module_folders(work / 'tiny') == []
