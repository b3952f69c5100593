"""A record or a dumped config that is altered or missing is named; folders from before checksums are read."""

import shutil
import subprocess

import pytest

from benchmarks.store.checksums import SUMS, altered, refuse_altered, write_checksums


@pytest.fixture
def out(tmp_path):
    for name in ('records/a.json', 'records/counts.csv.gz', 'configs/a b.py', 'configs/folds/x.csv', 'grid.json'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path)
    return tmp_path


def test_what_was_written_passes_also_sha256sum(out):
    refuse_altered(out)
    assert subprocess.run(['sha256sum', '--check', '--quiet', str(SUMS)], cwd=out).returncode == 0
    (out / 'grid.json').write_text('it may change')
    refuse_altered(out)


@pytest.mark.parametrize('name', ['records/a.json', 'records/counts.csv.gz', 'configs/a b.py', 'configs/folds/x.csv'])
@pytest.mark.parametrize('damage', ['', 'X', None])
def test_a_file_that_is_altered_or_missing_is_named(out, name, damage):
    if damage is None:
        (out / name).unlink()
    else:
        (out / name).write_text(damage and name[:-1] + damage)
    assert altered(out) == [name]
    with pytest.raises(ValueError, match=f'{name}: is missing or altered since it was written; run the grid again'):
        refuse_altered(out)


@pytest.mark.parametrize('damage', [b'x', b'\xff\xfe', b'0 records/a.json\n'])
def test_damaged_checksums_are_damage(out, damage):
    (out / SUMS).write_bytes(damage)
    assert altered(out) == [str(SUMS)]


def test_folders_from_before_checksums_pass(out):
    (out / SUMS).unlink()
    (out / 'records' / 'a.json').write_text('changed')
    refuse_altered(out)


def test_records_that_were_copied_without_their_configs_pass(out):
    shutil.rmtree(out / 'configs')
    refuse_altered(out)
