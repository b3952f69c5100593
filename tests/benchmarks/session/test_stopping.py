"""Signals that stop a run: what the program does at the first one, and at the second."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.errors import Stopped
from benchmarks.session.stopping import exit_status, stopped_by, stops_heard
from benchmarks.stacks.contained import EndsTheProgram, contained

ROOT = Path(__file__).resolve().parents[3]
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Waits as a run does, says how it was stopped, and needs long to save its state.
PROGRAM = """
import os, sys, time
from benchmarks.session.stopping import exit_status, stopped_by, stops_heard

with stops_heard():
    try:
        print('runs', flush=True)
        time.sleep(60)
    except KeyboardInterrupt as error:
        print('saves', flush=True)
        time.sleep(float(sys.argv[1]))
        open(sys.argv[2], 'w').write(stopped_by(error))
        sys.exit(exit_status(error))
"""


@pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_each_signal_interrupts_once_and_the_handlers_are_put_back(number, status):
    before = [signal.signal(one, signal.default_int_handler) for one in STOPS]
    with stops_heard():
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)  # it is being stopped already
        signal.raise_signal(signal.SIGINT)  # at the same moment: one press for a whole group of processes
    assert exit_status(caught.value) == status and isinstance(caught.value, Stopped) == (number != signal.SIGINT)
    name = signal.Signals(number).name
    assert stopped_by(caught.value).startswith('stopped;' if number == signal.SIGINT else f'stopped by {name};')
    after = [signal.signal(one, handler) for one, handler in zip(STOPS, before)]
    assert after == [signal.default_int_handler] * 3


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stops_heard():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_is_not_taken_for_an_end_by_the_users_file():
    with stops_heard(), pytest.raises(Stopped), contained():
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(EndsTheProgram), contained():
        raise KeyboardInterrupt


def started(tmp_path, saving_s, **streams):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-c', PROGRAM, str(saving_s), str(tmp_path / 'saved')]
    return subprocess.Popen(command, env=environment, preexec_fn=_hear, start_new_session=True, **streams)


def _hear():
    for number in STOPS:  # a shell lets what runs in the background ignore some of them
        signal.signal(number, signal.SIG_DFL)


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    program = started(tmp_path, 60, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout.readline() == 'runs\n'
    program.send_signal(signal.SIGTERM)
    assert program.stdout.readline() == 'saves\n'
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=10)
    assert program.returncode == 130 and said == '\nstopped at once; results that were stored are kept.\n'
    assert not (tmp_path / 'saved').exists()


def test_a_terminal_that_closes_interrupts_and_nothing_that_is_printed_fails(tmp_path):
    ours, theirs = pty.openpty()
    program = started(tmp_path, 0.1, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 100).startswith(b'runs')
    program.send_signal(signal.SIGHUP)  # which the terminal's end sends to what runs in its foreground
    os.close(ours)
    assert program.wait(10) == 129
    assert (tmp_path / 'saved').read_text().startswith('stopped by SIGHUP;')
