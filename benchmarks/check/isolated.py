"""Runs functions in processes of their own, a few at a time: one that crashes or hangs takes no other with it."""

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.run.launcher import PRELOADED
from benchmarks.stages.worker import die_with_parent

TAIL = 300


@dataclass(frozen=True)
class Job:
    """A call.

    Args:
        name: What the results call it.
        function: Importable by name.
        arguments: Picklable.
        log: What the process prints.
    """

    name: str
    function: Callable
    arguments: tuple
    log: Path


@dataclass(frozen=True)
class Crash:
    """How a process ended that gave no result."""

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
        (name, result), or (name, :class:`Crash`), as they end.
    """
    waiting, running = deque(jobs), []
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([PRELOADED, 'benchmarks.check.examine'])
    os.environ['PYTHONSAFEPATH'] = '1'  # the server must not import what lies in the current folder
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_start(context, waiting.popleft(), timeout_s))
            pause = max(min(one.deadline for one in running) - time.monotonic(), 0)
            wait([one.results for one in running], timeout=pause)
            for one in [one for one in running if one.results.poll() or time.monotonic() > one.deadline]:
                running.remove(one)
                yield one.job.name, _result(one, timeout_s)
    finally:
        for one in running:
            one.process.kill()
            one.process.join()


def _start(context, job: Job, timeout_s: float) -> _Running:
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sending, job), name=job.name)
    process.start()
    sending.close()
    return _Running(job, process, receiving, time.monotonic() + timeout_s)


def _result(one: _Running, timeout_s: float) -> Any:
    """What the process sent; when it ends without a word, its end of the pipe is closed."""
    try:
        result = one.results.recv() if one.results.poll() else Crash(f'not finished after {timeout_s:g} s')
    except EOFError:
        one.process.join()
        result = Crash(f'the process ended with exit status {one.process.exitcode}: {_tail(one.job.log)}')
    one.process.kill()
    one.process.join()
    one.results.close()
    return result


def _tail(log: Path) -> str:
    text = ' '.join(log.read_text(errors='replace').split()) if log.is_file() else ''
    return text[-TAIL:] or 'it printed nothing'


def _child(sending: Connection, job: Job) -> None:
    die_with_parent()
    with open(job.log, 'w') as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    sys.stdout, sys.stderr = (open(descriptor, 'w', buffering=1, closefd=False) for descriptor in (1, 2))
    sending.send(job.function(*job.arguments))
    sending.close()
