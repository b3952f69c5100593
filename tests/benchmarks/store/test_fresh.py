"""What a folder holds now, on a file system that answers from memory; the real one is in test_two_hosts.py."""

import os
from unittest.mock import Mock

import pytest

from benchmarks.store import fresh
from benchmarks.store.fresh import clear_marks, is_there, names_in


def test_a_file_is_there_if_it_can_be_opened_whatever_is_remembered_of_it(tmp_path, monkeypatch):
    file = tmp_path / 'x'
    file.touch()
    assert is_there(file)
    file.unlink()
    monkeypatch.setattr('os.stat', lambda *_, **__: None)  # so Path.exists would find it
    assert file.exists() and not is_there(file)


def test_a_file_that_is_stale_is_gone_and_a_folder_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr('builtins.open', Mock(side_effect=OSError(116, 'Stale file handle')))
    assert not is_there(tmp_path / 'x')
    monkeypatch.setattr('builtins.open', Mock(side_effect=OSError(5, 'Input/output error')))
    with pytest.raises(OSError, match='Input/output'):
        is_there(tmp_path / 'x')


def test_a_listing_from_before_the_call_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / 'new').touch()
    listed, old = os.listdir, [['old'], ['old']]
    monkeypatch.setattr(fresh, 'PAUSE_S', 0)
    monkeypatch.setattr(fresh.os, 'listdir', lambda folder: old.pop() if old else listed(folder))
    assert names_in(tmp_path) == ['new'] and old == []
    assert listed(tmp_path) == ['new'], 'no mark stays'


def test_a_look_whose_mark_is_cleared_begins_anew(tmp_path, monkeypatch):
    """As one that goes on while a collection removes the marks of killed looks."""
    (tmp_path / 'new').touch()
    listed, looks = os.listdir, []

    def cleared_once(folder):
        looks.append(1)
        if len(looks) == 1:
            clear_marks(tmp_path)
        return listed(folder)

    monkeypatch.setattr(fresh, 'PAUSE_S', 0)
    monkeypatch.setattr(fresh.os, 'listdir', cleared_once)
    assert names_in(tmp_path) == ['new'] and len(looks) == 2
    assert listed(tmp_path) == ['new'], 'no mark stays'
