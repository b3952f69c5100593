"""Does a holder elsewhere live? Changes count, clocks do not, and neither does time in which nobody looked."""

import os
from unittest.mock import Mock

import pytest

from benchmarks.store import observer
from benchmarks.store.observer import LEASE_S, LONGEST_PAUSE_S, Observer, Sign


@pytest.fixture
def file(tmp_path):
    (tmp_path / 'lease').touch()
    return tmp_path / 'lease'


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock of this host forward."""
    now = [50.0]
    monkeypatch.setattr(observer.time, 'monotonic', lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


def test_a_file_that_does_not_change_for_the_length_of_a_lease_is_silent(file, clock):
    eyes, signs = Observer(), []
    for _ in range(int(LEASE_S) + 2):
        signs.append(eyes.look(file))
        clock(1)
    assert set(signs[:-1]) == {Sign.UNSURE} and signs[-1] is Sign.SILENT
    os.utime(file, (1, 1))
    assert eyes.look(file) is Sign.ALIVE


@pytest.mark.parametrize('step', [10, -10, 3600, -3600, 0.001])
def test_any_change_is_life_whatever_the_clock_of_the_other_host_says(file, clock, step):
    eyes, time = Observer(), 1e9
    for _ in range(5):
        for _ in range(int(LEASE_S / 10)):
            sign = eyes.look(file)
            clock(10)
        assert sign is not Sign.SILENT
        time += step
        os.utime(file, (time, time))
        assert eyes.look(file) is Sign.ALIVE


def test_time_in_which_nobody_looked_counts_little(file, clock):
    """This process was stopped, or the network folder did not answer."""
    eyes = Observer()
    for _ in range(int(LEASE_S / LONGEST_PAUSE_S) + 1):
        assert eyes.look(file) is Sign.UNSURE
        clock(1e6)
    assert eyes.look(file) is Sign.SILENT


def test_a_missing_file_is_told_and_a_new_one_begins_anew(file, clock):
    eyes = Observer()
    eyes.look(file)
    clock(LONGEST_PAUSE_S)
    file.unlink()
    assert eyes.look(file) is Sign.GONE and not eyes._seen
    file.touch()
    assert eyes.look(file) is Sign.UNSURE


def test_a_folder_that_does_not_answer_is_no_sign(file, clock, monkeypatch):
    eyes = Observer()
    for _ in range(3 * int(LEASE_S)):
        with monkeypatch.context() as patch:
            patch.setattr('builtins.open', Mock(side_effect=OSError(116, 'Stale file handle')))
            assert eyes.look(file) is Sign.UNSURE
        assert eyes.look(file) is Sign.UNSURE
        clock(1)


def test_what_a_network_file_system_remembers_of_a_file_does_not_count(file, clock, monkeypatch):
    eyes, remembered = Observer(), file.stat()
    eyes.look(file)
    os.utime(file, (1, 1))
    monkeypatch.setattr('os.stat', lambda *_, **__: remembered)
    monkeypatch.setattr('pathlib.Path.stat', lambda *_, **__: remembered)
    assert eyes.look(file) is Sign.ALIVE
