import multiprocessing
import signal
import threading

import pytest

from benchmarks.store.locks import Locks


@pytest.fixture
def locks(tmp_path):
    return Locks(tmp_path / 'new' / 'locks')


def test_different_names_are_different_locks(locks):
    with locks.held('a', wait=False), locks.held('b', wait=False):
        assert sorted(path.name for path in locks.folder.iterdir()) == ['a', 'b']


@pytest.mark.parametrize(
    'first, second, together', [(True, True, True), (True, False, False), (False, True, False), (False, False, False)]
)
def test_only_those_that_share_a_lock_hold_it_together(locks, first, second, together):
    with locks.held('a', shared=first):
        if together:
            with locks.held('a', shared=second, wait=False):
                pass
        else:
            with pytest.raises(BlockingIOError), locks.held('a', shared=second, wait=False):
                pass
    with locks.held('a', shared=second, wait=False):
        pass


def test_who_waits_is_let_in_when_the_lock_is_free(locks):
    entered = threading.Event()

    def enter():
        with locks.held('a'):
            entered.set()

    with locks.held('a'):
        second = threading.Thread(target=enter)
        second.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    second.join()


def test_an_error_inside_frees_the_lock(locks):
    with pytest.raises(RuntimeError), locks.held('a'):
        raise RuntimeError
    with locks.held('a', wait=False):
        pass


def _hold(locks, began):
    with locks.held('a'):
        began.set()
        signal.pause()


def test_the_lock_of_a_killed_process_falls(locks):
    context = multiprocessing.get_context('fork')
    began = context.Event()
    process = context.Process(target=_hold, args=(locks, began))
    process.start()
    assert began.wait(10)
    with pytest.raises(BlockingIOError), locks.held('a', wait=False):
        pass
    process.kill()
    process.join()
    with locks.held('a', wait=False):
        pass
