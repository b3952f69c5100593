"""Drivers tell which keys they need, and a collection needs no room on the disk."""

import json
from dataclasses import replace

from benchmarks.store.garbage import collect_garbage
from benchmarks.store.holder import Holder
from benchmarks.store.store import Store

KEY = 'a' * 40


def put(store):
    with store.writing(KEY) as folder:
        return store.commit('train', KEY, folder, status='ok', reason=None, facts={}, ingredients={}, label='x')


def test_the_file_of_a_driver_that_was_killed_is_removed(tmp_path):
    store = Store(tmp_path)
    killed = store.drivers.folder / f'{replace(Holder.me(), start=1)}.json'
    killed.write_text(json.dumps([KEY]))
    with store.drivers.using(['b']) as own, store.drivers.collecting():
        assert store.drivers.keys_in_use() == {'b'} and list(store.drivers.folder.iterdir()) == [own]


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
