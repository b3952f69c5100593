"""Files are touched while they are held; a missing one is told, a folder that does not answer is not."""

import multiprocessing
import os
import threading
import time

import pytest

from benchmarks.store import heartbeat
from benchmarks.store.heartbeat import beating

PATIENCE_S = 30


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(heartbeat, 'BEAT_S', 0.01)
    monkeypatch.setattr(heartbeat, '_heart', heartbeat._Heart())


@pytest.fixture
def file(tmp_path):
    (tmp_path / 'lease').touch()
    return tmp_path / 'lease'


def beats(file, seconds=PATIENCE_S):
    """Whether the file changes within so many seconds."""
    os.utime(file, (1, 1))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.stat().st_mtime > 1:
            return True
        time.sleep(0.005)
    return False


def test_a_file_changes_while_it_is_held(file):
    with beating(file, lambda: None):
        assert beats(file) and beats(file)
    assert not beats(file, 0.1)


def test_a_missing_file_is_told_each_time_until_it_is_no_longer_held(file):
    told = threading.Semaphore(0)
    with beating(file, told.release):
        assert beats(file) and not told.acquire(timeout=0)
        file.unlink()
        assert told.acquire(timeout=PATIENCE_S) and told.acquire(timeout=PATIENCE_S)
    while told.acquire(timeout=0):
        pass
    assert not told.acquire(timeout=0.1)


def test_a_folder_that_does_not_answer_is_asked_again(file, monkeypatch):
    asked, utime, failures, missed = threading.Event(), os.utime, [OSError(5, 'Input/output error')] * 3, []

    def utime_at_last(path):
        if failures:
            raise failures.pop()
        asked.set()
        utime(path)

    monkeypatch.setattr(heartbeat.os, 'utime', utime_at_last)
    with beating(file, lambda: missed.append(1)):
        assert asked.wait(PATIENCE_S)
    assert not failures and not missed


def _both(parents, own, done):
    os.utime(parents, (1, 1))
    with beating(own, lambda: None):
        done.put((beats(own), parents.stat().st_mtime))


def test_a_forked_process_touches_its_own_files_only(file, tmp_path):
    own, context = tmp_path / 'own', multiprocessing.get_context('fork')
    own.touch()
    done = context.Queue()
    with beating(file, lambda: None):
        heartbeat._heart.lock.acquire()  # as it may be when the process is forked, and so that this one beats no more
        process = context.Process(target=_both, args=(file, own, done))
        process.start()
        assert done.get(timeout=PATIENCE_S) == (True, 1)
        heartbeat._heart.lock.release()
    process.join(PATIENCE_S)
