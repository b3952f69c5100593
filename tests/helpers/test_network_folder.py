"""A network folder that cannot be made skips the test with the reason, and one that was made does not outlive it."""

import os

import network_folder as module
import pytest
from network_folder import network_folder


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'which', lambda name: None if name == 'sshfs' else name)
    monkeypatch.setattr(module, 'DEVICE', tmp_path / 'fuse')
    with pytest.raises(pytest.skip.Exception, match=f'^sshfs, {tmp_path}/fuse missing: apt-get install sshfs'):
        with network_folder(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_both_mounts_end_with_a_test_that_fails_while_a_file_is_open(tmp_path):
    with pytest.raises(RuntimeError), network_folder(tmp_path) as (here, there):
        file = open(here / 'x', 'w')
        assert os.path.ismount(here) and os.path.ismount(there) and os.listdir(there) == ['x']
        raise RuntimeError
    assert not os.path.ismount(here) and not os.path.ismount(there) and os.listdir(here) == []
    with pytest.raises(OSError, match='not connected'):
        file.close()
