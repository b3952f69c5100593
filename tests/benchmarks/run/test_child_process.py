"""A function in a process beside this one: what it returns and raises comes over, and it never outlives its block."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.run.child_process import ChildProcess


def is_alive(pid):
    """What nobody has waited for is dead, too."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_gives_what_the_function_returns_and_leaves_this_process_as_it_was():
    here = []
    with ChildProcess(lambda: (here.append(1), os.getpid(), {'a': (1, 2)})) as other:
        _, pid, value = other.result()
    assert pid != os.getpid() and value == {'a': (1, 2)} and not here and not is_alive(pid)


def test_bad_input_is_raised_here():
    def refuse():
        raise BadInput('the key is wrong; mend it')

    with pytest.raises(BadInput, match='the key is wrong; mend it'), ChildProcess(refuse) as other:
        other.result()


def test_another_failure_is_printed_there_and_ends_this_one(capfd):
    with pytest.raises(RuntimeError, match='exit status 1'), ChildProcess(lambda: 1 / 0) as other:
        other.result()
    assert 'ZeroDivisionError' in capfd.readouterr().err


def test_an_ended_process_is_told():
    with pytest.raises(RuntimeError, match='exit status -9'):
        with ChildProcess(lambda: os.kill(os.getpid(), signal.SIGKILL)) as other:
            other.result()


def test_leaving_the_block_ends_the_process(tmp_path):
    def write_and_wait():
        (tmp_path / 'pid').write_text(str(os.getpid()))
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt), ChildProcess(write_and_wait):
        while not (tmp_path / 'pid').exists() or not (tmp_path / 'pid').read_text():
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert not is_alive(int((tmp_path / 'pid').read_text()))


def test_it_ends_with_this_process(tmp_path):
    """Killed, too, and even where what it has to say is too much for the pipe."""
    script = """
import os, sys, time
from pathlib import Path
from benchmarks.run.child_process import ChildProcess
def much():
    Path(sys.argv[1]).write_text(str(os.getpid()))
    return b' ' * 2 ** 22
with ChildProcess(much):
    time.sleep(60)
"""
    pid = tmp_path / 'pid'
    parent = subprocess.Popen([sys.executable, '-c', script, str(pid)])
    while not pid.exists() or not pid.read_text():
        time.sleep(0.01)
    assert is_alive(int(pid.read_text()))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while is_alive(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(int(pid.read_text()))


def test_ctrl_c_is_for_this_process():
    def survive():
        os.kill(os.getpid(), signal.SIGINT)
        return 'alive'

    before = signal.getsignal(signal.SIGINT)
    with ChildProcess(survive) as other:
        assert other.result() == 'alive'
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_for_all_processes_of_a_job_is_left_to_this_one(number):
    with ChildProcess(lambda: time.sleep(0.3) or 'went on') as child:
        os.kill(child._process.pid, number)
        assert child.result() == 'went on'


def test_a_signal_that_this_process_does_not_follow_is_meant_for_the_other_one(monkeypatch):
    monkeypatch.setattr('benchmarks.stages.worker.LEFT_TO_THE_DRIVER_S', 0.1)
    with pytest.raises(RuntimeError, match='exit status 143'), ChildProcess(lambda: time.sleep(60)) as child:
        os.kill(child._process.pid, signal.SIGTERM)
        child.result()


def test_what_the_other_process_forks_is_ended_by_a_signal():
    def pool_of_one():
        with multiprocessing.get_context('fork').Pool(1) as pool:
            return pool.apply(signal.getsignal, (signal.SIGTERM,)) is signal.SIG_DFL

    with ChildProcess(pool_of_one) as child:
        assert child.result()  # leaving the pool sends SIGTERM, and waits
