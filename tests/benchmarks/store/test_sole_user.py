"""A folder has one user at a time, on all hosts; a dead one keeps it no longer than for a lease."""

import signal
import threading

from other_hosts import PATIENCE_S

from benchmarks.store.sole_user import sole_user


def test_a_second_user_waits_for_the_first_and_nothing_stays(tmp_path):
    entered = threading.Event()

    def enter():
        with sole_user(tmp_path / 'new'):
            entered.set()

    second = threading.Thread(target=enter)
    with sole_user(tmp_path / 'new'):
        second.start()
        assert not entered.wait(0.2)
    assert entered.wait(PATIENCE_S)
    second.join()
    assert list((tmp_path / 'new').iterdir()) == []


def test_a_user_on_another_host_keeps_the_folder_until_it_dies(tmp_path, far):
    def act(say):
        with sole_user(tmp_path):
            say('uses')
            signal.pause()

    other, entered = far(act), threading.Event()
    assert other.heard() == 'uses'

    def enter():
        with sole_user(tmp_path):
            entered.set()

    second = threading.Thread(target=enter)
    second.start()
    other.stop()
    assert entered.wait(PATIENCE_S)
    second.join()
