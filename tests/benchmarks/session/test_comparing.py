"""``--compare``: folders that cannot be compared, or written to, are refused with the cure."""

import pytest

from benchmarks.errors import BadInput
from benchmarks.session.comparing import compare


@pytest.fixture
def out(tmp_path, synthetic_writer):
    return synthetic_writer(tmp_path / 'grid')


def test_the_page_is_written_and_its_beginning_printed(out, tmp_path, capsys):
    for _ in range(2):  # the second page replaces the first
        compare(out, out, tmp_path / 'page')
    assert 'no row moved beyond noise' in capsys.readouterr().out
    assert {path.name for path in (tmp_path / 'page').iterdir()} == {'README.md', 'moved.csv', 'changes.csv'}


def test_folders_without_records_are_refused(out, tmp_path):
    with pytest.raises(BadInput, match='nowhere: it holds no grid.json'):
        compare(out, tmp_path / 'nowhere', tmp_path / 'page')
    (out / 'grid.json').write_text('{}')
    with pytest.raises(BadInput, match=r"--compare: .*grid.json: field 'name' is missing"):
        compare(out, out, tmp_path / 'page')


def test_nothing_else_is_replaced(out, tmp_path):
    with pytest.raises(BadInput, match='name its folder with --out DIR'):
        compare(out, out, None)
    with pytest.raises(BadInput, match='it is the output folder of a grid'):
        compare(out, out, out)
    (tmp_path / 'README.md').write_text('mine')
    with pytest.raises(BadInput, match='its README.md is no page of --compare'):
        compare(out, out, tmp_path)
    assert (tmp_path / 'README.md').read_text() == 'mine'
