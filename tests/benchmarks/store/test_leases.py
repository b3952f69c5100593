"""Leases within one host, and between hosts: one holder at a time, and none for longer than it lives."""

import os
import shutil
import signal
import threading
import time
from dataclasses import replace

import pytest
from other_hosts import CONTEXT, LEASE_S, LONG_LEASE_S, PATIENCE_S

from benchmarks.store.holder import Holder
from benchmarks.store.leases import Leases, LostLease, lease_of, left_in, refuse_lost
from benchmarks.store.observer import Observer


@pytest.fixture
def leases(tmp_path):
    return Leases(tmp_path / 'new' / 'leases', Observer())


def is_free(leases, name='a'):
    try:
        with leases.held(name, wait=False):
            return True
    except BlockingIOError:
        return False


def test_one_at_a_time_holds_a_name_and_nothing_stays(leases):
    with leases.held('a') as place, leases.held('b', wait=False):
        assert not is_free(leases, 'a') and leases.is_held('a') and not leases.is_held('c')
        assert lease_of(place).exists() and not place.exists()
        ((name, holder),) = [(path.name, holder) for path, holder in leases._leases('a')]
        assert name == f'a-{holder}.lease' and holder.pid == os.getpid() and leases.names() == {'a', 'b'}
        place.mkdir()
    assert is_free(leases, 'a') and list(leases.folder.iterdir()) == []


def test_an_error_inside_frees_the_lease(leases):
    with pytest.raises(RuntimeError), leases.held('a'):
        raise RuntimeError
    assert is_free(leases)


def test_who_waits_is_let_in_when_the_lease_is_free(leases):
    entered = threading.Event()

    def enter():
        with leases.held('a'):
            entered.set()

    second = threading.Thread(target=enter)
    with leases.held('a'):
        second.start()
        assert not entered.wait(0.2)
    assert entered.wait(PATIENCE_S)
    second.join()


def test_a_full_disk_leaves_nothing_behind(leases, monkeypatch):
    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('pathlib.Path.touch', full)
    with pytest.raises(OSError, match='No space left'), leases.held('a'):
        pass
    assert list(leases.folder.iterdir()) == []


def _hold(leases, began):
    with leases.held('a'):
        began.set()
        signal.pause()


@pytest.fixture
def other(leases):
    """A process that holds the lease ``a``."""
    began = CONTEXT.Event()
    process = CONTEXT.Process(target=_hold, args=(leases, began))
    process.start()
    assert began.wait(PATIENCE_S)
    yield process
    process.kill()
    process.join()


def test_the_lease_of_a_killed_process_falls_at_once(leases, other):
    assert not is_free(leases) and leases.is_held('a')
    other.kill()
    other.join()
    assert not leases.is_held('a') and is_free(leases) and list(leases.folder.iterdir()) == []


def test_a_stopped_process_of_this_host_keeps_its_lease(leases, other, monkeypatch):
    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', 0)
    os.kill(other.pid, signal.SIGSTOP)
    assert not is_free(leases) and not is_free(leases)


def test_a_listing_that_is_older_than_a_lease_gives_nobody_the_lease(leases, tmp_path, monkeypatch):
    """As of a network folder that another process of this host was listing when two hosts made their leases."""
    (leases.folder / f'a-far.far-{os.getpid()}-1-0.lease').touch()
    with monkeypatch.context() as patch:
        patch.setattr('benchmarks.store.leases.os.listdir', lambda folder: [])
        assert not is_free(leases)
    assert leases.is_held('a') and len(list(leases.folder.iterdir())) == 1


def test_a_lease_that_a_listing_still_names_holds_nobody_up(leases, monkeypatch):
    kept = [f'a-far.far-{os.getpid()}-1-0.lease']
    listed = os.listdir
    monkeypatch.setattr('benchmarks.store.leases.os.listdir', lambda folder: kept + listed(folder))
    assert not leases.is_held('a') and is_free(leases) and list(leases.doubtful()) == []


def _increase(leases, counter, times):
    for _ in range(times):
        with leases.held('a'):
            number = int(counter.read_text())
            time.sleep(0)
            counter.write_text(str(number + 1))


def test_many_processes_never_hold_it_together(leases, tmp_path):
    counter = tmp_path / 'counter'
    counter.write_text('0')
    processes = [CONTEXT.Process(target=_increase, args=(leases, counter, 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_S)
    assert int(counter.read_text()) == 100


def test_of_the_folders_of_earlier_holders_the_newest_is_found(leases):
    for number, time_s in enumerate((30, 50, 40)):
        folder = leases.folder / f'a-{replace(Holder.me(), start=1)}'
        folder.mkdir()
        (folder / str(number)).touch()
        os.utime(folder, (time_s, time_s))
    with leases.held('a') as place:
        assert [path.name for path in left_in(place).iterdir()] == ['1']
    assert list(leases.folder.iterdir()) == []


def test_who_has_lost_its_lease_before_it_looked_around_leaves_the_new_holder_alone(leases):
    """It stood still between its own lease and the folders of others."""
    late = leases.folder / f'a-{Holder.me()}'
    with leases.held('a') as place:
        place.mkdir()
        earlier = leases.folder / f'a-{replace(Holder.me(), start=1)}.left'
        earlier.mkdir()
        leases._end_paths_of_others('a', late)
        assert place.exists() and not earlier.exists()


def test_a_folder_without_its_file_is_nobodys(leases):
    """A process that was killed while it left, or that has lost its lease and goes on writing."""
    debris = leases.folder / f'a-far.0-{os.getpid()}-1-0'
    debris.mkdir()
    assert not leases.is_held('a') and leases.names() == {'a'} and leases.folders('a') == []
    with leases.held('a', wait=False) as place:
        assert left_in(place).exists() and not debris.exists()
        debris.mkdir()
        assert leases.is_held('a') and not is_free(leases)
    assert list(leases.folder.iterdir()) == [debris] and is_free(leases) and list(leases.folder.iterdir()) == []


def hold(leases):
    def act(say):
        with leases.held('a', lost=lambda: say('lost')):
            say('holds')
            signal.pause()

    return act


def test_a_living_process_elsewhere_keeps_its_lease_for_ever(leases, far, monkeypatch):
    monkeypatch.setattr('benchmarks.store.observer.LEASE_S', LONG_LEASE_S)
    assert far(hold(leases)).heard() == 'holds'
    end = time.monotonic() + LONG_LEASE_S + 1
    while time.monotonic() < end:
        assert not is_free(leases) and leases.is_held('a')


def test_the_lease_of_a_process_killed_elsewhere_falls_when_it_has_been_silent_for_a_lease(leases, far):
    other = far(hold(leases))
    other.heard()
    other.kill()
    assert not is_free(leases)
    began = time.monotonic()
    with leases.held('a'):
        assert time.monotonic() - began > 0.9 * LEASE_S
    assert list(leases.folder.iterdir()) == []


def test_a_process_that_was_stopped_elsewhere_is_told_that_its_lease_is_lost(leases, far):
    other = far(hold(leases))
    other.heard()
    other.stop()
    with leases.held('a'):
        other.go_on()
        assert other.heard() == 'lost' and not is_free(leases)
    assert is_free(leases) and list(leases.folder.iterdir()) == []


def test_the_loss_names_the_host_that_has_taken_over(leases, tmp_path):
    with leases.held('a') as place:
        refuse_lost(place)
        lease_of(place).rename(lease_of(place.with_name('a-far.away.0123-1-2-3')))
        with pytest.raises(LostLease, match='of 60 s, and a process of far.away has taken over a$'):
            refuse_lost(place)
        shutil.rmtree(leases.folder)
        with pytest.raises(LostLease, match='another process has taken over a$'):
            refuse_lost(place)
