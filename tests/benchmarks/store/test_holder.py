"""Names of processes, and whether these still run: by number and start, on this host only."""

import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from benchmarks.store import holder
from benchmarks.store.holder import Holder, this_host, this_kernel


def test_a_name_is_a_file_name_and_says_all(monkeypatch):
    me = Holder.me()
    assert Holder.named(str(me)) == me and me.pid == os.getpid() and me.is_here and not me.has_ended()
    assert Holder.me().number == me.number + 1 and '/' not in str(me)
    monkeypatch.setattr(holder.socket, 'gethostname', lambda: 'a/strange-name 1')
    this_host.cache_clear()
    strange = Holder.me()
    this_host.cache_clear()
    assert Holder.named(str(strange)) == strange and strange.machine == 'a_strange-name_1'
    assert strange.is_here  # the name of a machine may change while it runs


@pytest.mark.parametrize(
    'name', ['free', '', 'a' * 40, f'{"b" * 40}-123', 'host-1-2-x', 'host.abc-1-2', 'drivers-1-2-']
)
def test_other_names_are_no_holders(name):
    assert Holder.named(name) is None


def test_a_process_ends_when_it_is_killed_though_its_parent_has_not_seen_it():
    process = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,))
    process.start()
    other = replace(Holder.me(), pid=process.pid, start=holder._state_and_start(process.pid)[1])
    assert other.has_ended() is False
    process.kill()
    while holder._state_and_start(process.pid)[0] != 'Z':
        time.sleep(0.01)
    assert other.has_ended() is True
    process.join()
    assert other.has_ended() is True


def test_a_number_that_was_given_out_anew_is_another_process():
    assert replace(Holder.me(), start=1).has_ended() is True


def test_of_another_host_nothing_is_known():
    for host in ('elsewhere.0123456789ab', 'elsewhere'):
        other = replace(Holder.me(), host=host)
        assert not other.is_here and other.has_ended() is None


def test_a_process_of_which_only_the_number_is_known_may_live(monkeypatch):
    me = Holder.me()
    monkeypatch.setattr(holder, '_state_and_start', lambda pid: ('', 0))  # as where /proc hides other users' processes
    assert me.has_ended() is None

    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(holder.os, 'kill', refuse)
    assert me.has_ended() is None


PRINT = 'from benchmarks.store.holder import this_host, this_kernel; print(this_host(), this_kernel())'


def inside_a_container(code):
    """Run Python code as the first process of new namespaces of users, processes and names of machines."""
    command = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--uts', 'sh', '-c']
    shell = 'hostname inside 2>/dev/null; exec "$0" -c "$1"'
    return subprocess.run([*command, shell, sys.executable, code], capture_output=True, text=True)


def test_a_container_is_a_host_of_its_own_on_the_same_machine():
    # the new namespace of users may hide files of other users, Python's and ours among them
    probe = inside_a_container('import benchmarks.store.holder')
    if probe.returncode:
        pytest.skip(f'no container that reads this checkout can be made here: {probe.stderr.strip()[-200:]}')
    done = inside_a_container(PRINT)
    assert done.returncode == 0, done.stderr
    host, kernel = done.stdout.split()
    assert kernel == this_kernel() and host.rpartition('.')[2] != this_host().rpartition('.')[2]
