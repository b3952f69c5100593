"""Processes that the kernel ends for want of memory are told with what they had and what they may use."""

import os
import signal

import pytest

from benchmarks.probes import host_memory
from benchmarks.run import memory_watch
from benchmarks.run.contract import OUT_OF_MEMORY
from benchmarks.run.memory_watch import MemoryWatch


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


def test_the_limit_is_the_smaller_one_of_machine_and_container(monkeypatch, tmp_path):
    machine = host_memory.limit_mib()
    limits = tmp_path / 'memory.max', tmp_path / 'limit_in_bytes'
    monkeypatch.setattr(host_memory, 'CGROUP_LIMITS', limits)
    limits[0].write_text('max\n')
    assert host_memory.limit_mib() >= machine
    limits[1].write_text(f'{64 * 2**20}\n')
    assert host_memory.limit_mib() == 64
    assert host_memory.peak_mib(os.getpid()) > 10 and host_memory.peak_mib(2**22 + 1) is None
