"""When an output folder counts as up to date: only while neither it nor anything it was made of has changed."""

import os
from dataclasses import replace

import pytest

from benchmarks.plan.plan import Cell, Plan, Stage
from benchmarks.session import up_to_date
from benchmarks.session.up_to_date import UpToDateCheck, signature
from benchmarks.store.checksums import write_checksums
from benchmarks.store.store import Store


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / 'out'
    for name in ('grid.json', 'records/a.json', 'configs/a.py', 'report/README.md'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def check(out, tmp_path):
    check = UpToDateCheck(tmp_path / 'cache', out)
    check.remember('this')
    return check


def test_the_same_of_the_same_is_up_to_date(check, out, tmp_path):
    assert check.holds('this') and UpToDateCheck(tmp_path / 'cache', out).holds('this')
    assert not check.holds('that')
    assert not UpToDateCheck(tmp_path / 'cache', tmp_path / 'other').holds('this')


@pytest.mark.parametrize(
    'change',
    [
        lambda out: (out / 'report' / 'README.md').unlink(),
        lambda out: (out / 'records' / 'a.json').write_text('RECORDS/a.json'),
        lambda out: (out / 'records' / 'b.json').write_text('more'),
        lambda out: (out / 'report' / 'table.csv').write_text('more'),
        lambda out: os.utime(out / 'grid.json', (1, 1)),
        lambda out: (out / 'configs' / 'a.py').rename(out / 'configs' / 'b.py'),
    ],
)
def test_a_folder_that_was_touched_is_not(check, out, change):
    change(out)
    assert not check.holds('this')
    check.remember('this')
    assert check.holds('this')


def test_other_files_of_the_folder_do_not_matter(check, out):
    (out / 'notes.txt').write_text('mine')
    assert check.holds('this')


@pytest.mark.parametrize('content', ['', '[]', '{"signature": "this"}'])
def test_a_memory_that_cannot_be_read_proves_nothing(check, content):
    check.path.write_text(content)
    assert not check.holds('this')


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / 'store')


TRAIN = Stage('train', 'a' * 40, (), 0, '', {}, (), {})
CELL = Cell((), 0, dict(work_dir='here'), (('train', TRAIN.key), ('predict', 'b' * 40)))
PLAN = Plan([CELL], {TRAIN.key: TRAIN}, {(): 'c' * 40}, [])


def put(store):
    with store.writing(TRAIN.key) as folder:
        store.commit('train', TRAIN.key, folder, status='ok', reason=None, facts={}, ingredients={}, label='')


def test_whatever_the_files_are_made_of_enters(store, monkeypatch, tmp_path):
    put(store)

    def sign(plan=PLAN, grid=(('title', 'A'),), results=(TRAIN.key,)):
        return signature(plan, store, results, dict(grid))

    before = sign()
    assert sign() == before
    changed = [
        sign(grid=(('title', 'B'),)),
        sign(results=()),
        sign(replace(PLAN, cells=[replace(CELL, config=dict(work_dir='there'))])),
        sign(replace(PLAN, cells=[replace(CELL, steps=(('train', TRAIN.key), ('predict', 'd' * 40)))])),
        sign(replace(PLAN, profiles={(): 'd' * 40})),
    ]
    put(store)  # computed again: its facts may be others
    changed.append(sign())
    monkeypatch.setattr(up_to_date, 'PACKAGE', tmp_path)
    changed.append(sign())
    (tmp_path / 'report.py').write_text('NEW = 1')
    changed.append(sign())
    assert len({before, *changed}) == 1 + len(changed)


def test_a_record_of_which_a_bit_has_changed_is_written_again(tmp_path):
    out, record = tmp_path / 'out', tmp_path / 'out' / 'records' / 'a.json'
    record.parent.mkdir(parents=True)
    record.write_text('{"seed": 1}')
    write_checksums(out)
    check = UpToDateCheck(tmp_path / 'cache', out)
    check.remember('this')
    assert check.holds('this')
    before = record.stat()
    with open(record, 'r+') as stream:
        stream.write('{"seed": 3}')
    os.utime(record, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not check.holds('this')
