"""Processes that the kernel ends for want of memory are told with what they had and what they may use."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from memory_cgroup import NoCgroup, memory_cgroup

from benchmarks.probes import host_memory
from benchmarks.run import memory_watch
from benchmarks.run.contract import OUT_OF_MEMORY
from benchmarks.run.memory_watch import MemoryWatch

LIMIT_MIB = 256
# Starts a process, watches it as the launcher does, and prints how it has ended.
WATCHING = """
import subprocess, sys, time
from benchmarks.run.memory_watch import MemoryWatch

watch, process = MemoryWatch(), subprocess.Popen([sys.executable, '-c', sys.argv[1]])
while process.poll() is None:
    watch.look(process.pid)
    time.sleep(0.01)
print(process.returncode, watch.why(process.returncode))
"""
SWELLING = 'kept = []\nwhile True: kept.append(bytearray(2**20))'
KILLED_OTHERWISE = 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'


def watch(monkeypatch, before, after, *, look=True):
    kills = iter([before, after])
    monkeypatch.setattr(memory_watch, 'kills_for_memory', lambda: next(kills))
    monkeypatch.setattr(memory_watch, 'limit_mib', lambda: 2000.0)
    watched = MemoryWatch()
    if look:
        watched.look(os.getpid())
        watched.look(2**22 + 1)  # it has ended, and keeps its last peak
    return watched


def test_a_kill_by_the_kernel_is_want_of_memory_with_need_and_limit(monkeypatch):
    reason = watch(monkeypatch, 3, 4).why(-signal.SIGKILL)
    assert reason.startswith(f'{OUT_OF_MEMORY}: it had ') and reason.endswith(' MiB, and may use 2000 MiB')
    assert watch(monkeypatch, 3, 4, look=False).why(-signal.SIGKILL) == f'{OUT_OF_MEMORY}, and may use 2000 MiB'


@pytest.mark.parametrize(
    'before, after, exitcode', [(3, 3, -9), (3, 4, -15), (3, 4, 0), (None, None, -9), (3, None, -9)]
)
def test_other_ends_are_not(monkeypatch, before, after, exitcode):
    assert watch(monkeypatch, before, after).why(exitcode) is None


@pytest.mark.parametrize(
    'code, said',
    [
        (SWELLING, rf'-9 {OUT_OF_MEMORY}: it had (\d+) MiB, and may use {LIMIT_MIB} MiB\n'),
        (KILLED_OTHERWISE, r'-9 None\n'),
    ],
    ids=['by the kernel', 'by a signal'],
)
def test_the_kernel_itself_ends_a_process_in_a_cgroup_with_little_memory(code, said):
    command = [sys.executable, '-c', WATCHING, code]
    environment = os.environ | dict(PYTHONPATH=str(Path(__file__).resolve().parents[3]))
    try:
        with memory_cgroup(LIMIT_MIB) as cgroup:
            done = subprocess.run([*cgroup.within, *command], env=environment, capture_output=True, text=True)
    except NoCgroup as error:
        pytest.skip(f'no cgroup with little memory can be made here: {error}')
    told = re.fullmatch(said, done.stdout)
    assert told, done
    assert not told.groups() or LIMIT_MIB / 4 < int(told[1]) <= LIMIT_MIB
    assert not cgroup.folder.exists()


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """``cgroups(own)``: the folder of the cgroups, in which this process has that one."""

    def make(own):
        (tmp_path / 'self').write_text(f'4:memory:/elsewhere\n0::{own}\n')
        monkeypatch.setattr(host_memory, 'OWN_CGROUP', tmp_path / 'self')
        monkeypatch.setattr(host_memory, 'CGROUPS', tmp_path / 'cgroup')
        (tmp_path / 'cgroup' / own.lstrip('/')).mkdir(parents=True, exist_ok=True)
        return tmp_path / 'cgroup'

    return make


def test_a_limit_of_the_process_counts(monkeypatch):
    monkeypatch.setattr(host_memory.resource, 'getrlimit', lambda what: (96 * 2**20, -1))
    assert host_memory.limit_of_process_mib() == 96 < host_memory.limit_mib()


def test_the_limit_is_the_smallest_one_of_machine_and_containers(cgroups):
    machine = host_memory.limit_mib()
    root = cgroups('/job/step')
    (root / 'memory.max').write_text('max\n')
    assert host_memory.limit_mib() >= machine
    (root / 'memory').mkdir()
    (root / 'memory' / 'memory.limit_in_bytes').write_text(f'{64 * 2**20}\n')
    assert host_memory.limit_mib() == 64
    (root / 'job' / 'memory.max').write_text(f'{32 * 2**20}\n')
    (root / 'job' / 'step' / 'memory.max').write_text('max\n')
    assert host_memory.limit_mib() == 32, "the limit of a job holds for the job's steps"
    assert host_memory.peak_mib(os.getpid()) > 10 and host_memory.peak_mib(2**22 + 1) is None


def test_the_kills_are_those_of_the_own_cgroup_and_of_the_machine_only_where_it_does_not_tell(cgroups):
    root, machine = cgroups('/job/step'), host_memory.kills_for_memory()
    (root / 'job' / 'memory.events').write_text('oom 5\noom_kill 4\noom_group_kill 0\n')
    assert host_memory.kills_for_memory() == 4, 'the step has no count of its own'
    (root / 'job' / 'step' / 'memory.events').write_text('oom 5\noom_kill 3\n')
    assert host_memory.kills_for_memory() == 3
    cgroups('/../../outside')
    assert host_memory.kills_for_memory() == machine
    host_memory.OWN_CGROUP.unlink()
    assert host_memory.kills_for_memory() == machine


def test_cgroups_of_version_1_count_and_limit_too(cgroups):
    """There each controller has cgroups of its own; in a container the own one is the root."""
    root, machine = cgroups('/unified'), host_memory.kills_for_memory()
    folder = root / 'memory'
    folder.mkdir()
    (folder / 'memory.oom_control').write_text('oom_kill_disable 0\nunder_oom 0\noom_kill 7\n')
    assert host_memory.kills_for_memory() == 7
    (folder / 'elsewhere').mkdir()
    (folder / 'elsewhere' / 'memory.oom_control').write_text('oom_kill_disable 0\nunder_oom 0\noom_kill 2\n')
    (folder / 'elsewhere' / 'memory.limit_in_bytes').write_text(f'{48 * 2**20}\n')
    assert host_memory.kills_for_memory() == 2 and host_memory.limit_mib() == 48
    (folder / 'elsewhere' / 'memory.oom_control').write_text('oom_kill_disable 0\n')  # before Linux 4.13
    (folder / 'memory.oom_control').unlink()
    assert host_memory.kills_for_memory() == machine
