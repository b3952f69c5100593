"""What a stage has started ends with it, also when the stage or its driver is killed."""

import multiprocessing
import os
import subprocess
import time
from pathlib import Path

from benchmarks.run.launcher import LocalLauncher
from benchmarks.stages.descendants import descendants, kill_all
from benchmarks.stages.worker import die_with_parent

FORK = multiprocessing.get_context('fork')
PATIENCE_S = 30


def is_alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def starts_others(pipe):
    """A stage whose plugin starts a program, which starts another one."""
    program = subprocess.Popen(['sh', '-c', 'sleep 600 & echo $!; wait'], stdout=subprocess.PIPE, text=True)
    pipe.send([program.pid, int(program.stdout.readline())])
    time.sleep(600)


def test_a_stage_that_is_ended_takes_its_processes_along():
    ours, theirs = FORK.Pipe()
    stage = FORK.Process(target=starts_others, args=(theirs,))
    stage.start()
    started = ours.recv()
    assert sorted(descendants(stage.pid)) == sorted(started) and set(started) < set(descendants(os.getpid()))
    LocalLauncher._end(type('Running', (), dict(process=stage)))
    wait_for(lambda: not any(map(is_alive, [stage.pid, *started])))


def driver(pipe):
    """Starts a stage, and waits."""

    def stage():
        die_with_parent()
        starts_others(pipe)

    FORK.Process(target=stage).start()
    time.sleep(600)


def test_a_driver_that_is_killed_takes_the_processes_of_its_stages_along():
    ours, theirs = FORK.Pipe()
    killed = FORK.Process(target=driver, args=(theirs,))
    killed.start()
    started = ours.recv()
    killed.kill()
    killed.join()
    wait_for(lambda: not any(map(is_alive, started)))


def test_a_process_that_has_ended_has_none():
    kill_all([2**22 + 1])
    assert descendants(2**22 + 1) == []
