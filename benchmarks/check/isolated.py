"""Runs functions in processes of their own, a few at a time: a function that crashes or hangs harms no other.

:mod:`benchmarks.run.child_process` runs one function beside its caller, without a log, a time limit or a crash report.
Checks need all three, for many functions at once, so this module starts its processes itself.
"""

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from benchmarks.run.launcher import SAFE_PATH
from benchmarks.stages.huge_pages import environment_of_a_start
from benchmarks.stages.worker import die_with_parent

PRELOADED = 'benchmarks.check.preloaded'
TAIL = 300


@dataclass(frozen=True)
class Job:
    """A call.

    Args:
        name: Its name in the results.
        function: A function that can be imported by name.
        arguments: Its arguments, which can be pickled.
        log: The file for everything that the process prints.
    """

    name: str
    function: Callable
    arguments: tuple
    log: Path


@dataclass(frozen=True)
class Crash:
    """Why a process ended without a result."""

    reason: str


@dataclass
class _Running:
    job: Job
    process: Any
    results: Connection
    deadline: float


def run_isolated(jobs: Iterable[Job], at_once: int, timeout_s: float) -> Iterator[tuple[str, Any]]:
    """Run jobs, each in a process forked from a server that has imported torch and mmseg.

    Yields:
        (name, result) or (name, :class:`Crash`), each as soon as the process ends.
    """
    waiting, running = deque(jobs), list[_Running]()
    context = _server()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_start(context, waiting.popleft(), timeout_s))
            pause = max(min(process.deadline for process in running) - time.monotonic(), 0)
            wait([process.results for process in running], timeout=pause)
            for ended in [each for each in running if each.results.poll() or time.monotonic() > each.deadline]:
                running.remove(ended)
                yield ended.job.name, _result(ended, timeout_s)
    finally:
        for left in running:
            left.process.kill()
            left.process.join()


def warm_up() -> None:
    """Start the server, which imports torch and mmseg, and wait until it has done so."""
    process = _server().Process(target=os.getpid)  # something that ends at once
    process.start()
    process.join()


def _server() -> ForkServerContext:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([PRELOADED])
    # The server must not import what lies in the current folder; programs that this process starts later are no server.
    with environment_of_a_start({SAFE_PATH: '1'}):
        forkserver.ensure_running()
    return context


def _start(context: ForkServerContext, job: Job, timeout_s: float) -> _Running:
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sending, job), name=job.name)
    process.start()
    sending.close()
    return _Running(job, process, receiving, time.monotonic() + timeout_s)


def _result(ended: _Running, timeout_s: float) -> Any:
    """The result that the process has sent. A process that ends without a result closes its end of the pipe."""
    try:
        result = ended.results.recv() if ended.results.poll() else Crash(f'not finished after {timeout_s:g} s')
    except EOFError:
        ended.process.join()
        result = Crash(f'the process ended with exit status {ended.process.exitcode}: {_tail(ended.job.log)}')
    ended.process.kill()
    ended.process.join()
    ended.results.close()
    return result


def _tail(log: Path) -> str:
    text = ' '.join(log.read_text(errors='replace').split()) if log.is_file() else ''
    return text[-TAIL:] or 'it printed nothing'


def _child(sending: Connection, job: Job) -> None:
    die_with_parent()
    with open(job.log, 'w') as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    # The streams live as long as the process, so no context manager closes them.
    sys.stdout, sys.stderr = (open(descriptor, 'w', buffering=1, closefd=False) for descriptor in (1, 2))  # noqa: SIM115
    sending.send(job.function(*job.arguments))
    sending.close()
