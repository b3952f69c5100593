"""The folders of a store: on one file system, which has locks within one host."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.session.folders import open_store

MEMORY = Path('/dev/shm')


def test_a_store_on_two_file_systems_is_refused_before_anything_is_computed(tmp_path):
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip('there is no second file system')
    store = open_store(tmp_path)
    with tempfile.TemporaryDirectory(dir=MEMORY) as other:
        (store.root / 'predict').symlink_to(other)
        with pytest.raises(BadInput, match=r'store/predict is on another file system than .*store, so .* mount$'):
            open_store(tmp_path)
    (store.root / 'predict').unlink()
    assert open_store(tmp_path).root == store.root


def test_a_file_system_without_locks_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr('fcntl.flock', flock)
    with pytest.raises(BadInput, match='its store cannot be used .*No locks available.*choose another folder'):
        open_store(tmp_path)
