"""Drivers tell which keys they need, and a collection needs no room on the disk."""

import json
import os
import signal
from dataclasses import replace

import pytest
from other_hosts import CONTEXT

from benchmarks.store import fresh
from benchmarks.store.garbage import collect_garbage
from benchmarks.store.holder import Holder
from benchmarks.store.store import Store

KEY = 'a' * 40


def put(store):
    with store.writing(KEY) as folder:
        return store.commit('train', KEY, folder, status='ok', reason=None, facts={}, ingredients={}, label='x')


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def left(store):
    """Leave the file of a process that is like this one but for some fields: ``left(start=1)``."""

    def leave(**fields):
        path = store.drivers.folder / f'{replace(Holder.me(), **fields)}.json'
        path.write_text(json.dumps([KEY]))
        return path

    return leave


def test_the_file_of_a_driver_that_was_killed_goes_when_the_next_one_begins(store, left):
    left(start=1)
    with store.drivers.using(['b']) as own:
        assert list(store.drivers.folder.iterdir()) == [own]


def test_the_files_of_drivers_that_live_or_may_live_stay_when_another_one_begins(store, left):
    """Of drivers on other hosts, in containers, and of versions without such names nothing can be seen from here."""
    living, elsewhere, of_old = left(), left(host='far.0123456789ab', start=1), store.drivers.folder / f'{KEY}.json'
    of_old.write_text('[]')
    for path in (living, elsewhere, of_old):
        os.utime(path, (1, 1))
    with store.drivers.using(['b']) as own:
        assert set(store.drivers.folder.iterdir()) == {own, living, elsewhere, of_old}


def test_the_file_of_a_driver_that_is_killed_meanwhile_is_removed_when_keys_are_asked_for(store, left):
    with store.drivers.using(['b']) as own, store.drivers.collecting():
        left(start=1)
        assert store.drivers.keys_in_use() == {'b'} and list(store.drivers.folder.iterdir()) == [own]


def _look_and_be_killed(folder):
    fresh.os.listdir = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    fresh.names_in(folder)


def test_a_collection_removes_what_killed_looks_have_left_in_a_folder(tmp_path):
    store = Store(tmp_path / 'work' / 'store')
    store.outputs.add(tmp_path, [])
    for folder in (store.drivers.folder, store.outputs.folder):
        process = CONTEXT.Process(target=_look_and_be_killed, args=(folder,))
        process.start()
        process.join()
        assert len(list(folder.glob('look-*'))) == 1
    collect_garbage(store, dry_run=True)
    assert len(list(store.root.glob('*/look-*'))) == 2
    collect_garbage(store)
    assert list(store.root.glob('*/look-*')) == [] and len(list(store.outputs.folder.iterdir())) == 1


def test_garbage_is_collected_on_a_full_disk(tmp_path, monkeypatch):
    store = Store(tmp_path / 'store')  # beside it no other test has its records
    with store.drivers.using([KEY]):
        put(store)

    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.mkdir', full)
    monkeypatch.setattr('os.write', full)
    assert [result.key for result in collect_garbage(store).removed] == [KEY] and store.get('train', KEY) is None
    assert [result.key for result in collect_garbage(store).removed] == []
