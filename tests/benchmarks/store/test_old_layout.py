"""A work dir from before leases: results stay, what dead processes left goes, and what living ones use stays."""

import fcntl
import json

import pytest

from benchmarks.store.garbage import collect_garbage
from benchmarks.store.store import Store

KEY, OTHER = 'a' * 40, 'b' * 40


@pytest.fixture
def old(tmp_path):
    """A store as an old version left it: two results, one of them about to be replaced, and a half one."""
    store = Store(tmp_path / 'work' / 'store')
    for key in (KEY, OTHER):
        with store.writing(key) as folder:
            store.commit('train', key, folder, status='ok', reason=None, facts={}, ingredients={}, label='x')
        (store.root / 'locks' / key).touch()
    for name in ('garbage', 'gate', 'machine'):
        (store.root / 'locks' / name).touch()
    store.folder('train', OTHER).rename(store.root / 'running' / f'{OTHER}-replaced-12')
    (store.root / 'running' / f'{KEY}-13').mkdir()
    (store.root / 'drivers' / f'{"c" * 32}.json').write_text(json.dumps([KEY]))
    return store


def test_what_dead_processes_left_is_cleared_and_results_stay(old):
    old.clear_abandoned()
    assert all(old.get('train', key, verify=True).ok for key in (KEY, OTHER))
    assert list((old.root / 'running').iterdir()) == []
    assert {result.key for result in collect_garbage(old).removed} == {KEY, OTHER}
    assert list((old.root / 'drivers').iterdir()) == []


def test_what_living_processes_use_stays(old):
    with open(old.root / 'locks' / KEY, 'w') as lock, open(old.root / 'drivers' / f'{"c" * 32}.json') as driver:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(driver, fcntl.LOCK_EX)
        assert {result.key for result in collect_garbage(old).removed} == {OTHER}
        assert [folder.name for folder in (old.root / 'running').iterdir()] == [f'{KEY}-13']
    collect_garbage(old)
    assert list((old.root / 'running').iterdir()) == [] and old.get('train', KEY) is None
