"""The folders of a store: on one file system."""

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
