"""Calls a function for many items in other processes, and ends a process that takes too long for one of them.

A call that never returns, or that crashes its process, costs its own item and no other. No signal interrupts compiled
code, so only the end of the process is a limit that holds.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.run.child_process import interrupts_held_back, print_nothing
from benchmarks.stages.worker import die_with_parent, ignore_interrupts

Prepare = Callable[[], Callable[[Any], Any]]
PREPARATION_S = 300.0  # imports; a file system may be slow


@dataclass(frozen=True)
class Late:
    """An item's call took longer than the limit."""


@dataclass(frozen=True)
class Died:
    """The process ended within an item's call.

    Attributes:
        exitcode: Its exit status; −n for the signal n.
    """

    exitcode: int | None


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    deadline: float
    item: int | None = None


def call_watched(
    prepare: Prepare, items: Sequence[Any], context: BaseContext, *, limit_s: float, at_once: int
) -> Iterator[tuple[int, Any]]:
    """Call ``prepare()(item)`` for each item; ``prepare`` runs once in each process.

    Args:
        prepare: Returns the function. It must be importable by name, or a partial of such a function, unless the
            context forks.
        items: What can be sent to a process.
        context: How processes are started.
        limit_s: Seconds for one item; the preparation does not count.
        at_once: The number of processes at most.

    Yields:
        The number of an item with the function's result, :class:`Late` or :class:`Died`, each as soon as it is known.

    Raises:
        BadInput: ``prepare`` raised it.
        RuntimeError: A process ended, stood still or raised something else before it was prepared.
    """
    waiting, workers = deque(range(len(items))), list[_Worker]()
    try:
        while waiting or any(worker.item is not None for worker in workers):
            while len(workers) < min(at_once, len(waiting) + sum(worker.item is not None for worker in workers)):
                workers.append(_start(context, prepare))
            for worker in _ready(workers):
                item, answer = worker.item, _answer(worker)
                if waiting and not isinstance(answer, (Late, Died)):
                    worker.item, worker.deadline = waiting.popleft(), time.monotonic() + limit_s
                    worker.pipe.send(items[worker.item])
                else:
                    workers.remove(worker)
                    _end(worker)
                if item is not None:
                    yield item, answer
    finally:
        for worker in workers:
            _end(worker)


def _start(context: BaseContext, prepare: Prepare) -> _Worker:
    ours, theirs = context.Pipe()
    # Each concrete context has a class `Process`, which the base class does not declare.
    process = context.Process(target=_work, args=(theirs, prepare))  # type: ignore[attr-defined]
    with interrupts_held_back():
        process.start()
    theirs.close()
    return _Worker(process, ours, time.monotonic() + PREPARATION_S)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """The workers that have answered, ended, or used their time; waits for the first."""
    pause = max(min(worker.deadline for worker in workers) - time.monotonic(), 0)
    answered = wait([worker.pipe for worker in workers], timeout=pause)
    return [worker for worker in workers if worker.pipe in answered or time.monotonic() > worker.deadline]


def _answer(worker: _Worker) -> Any:
    """What a ready worker has answered; None from one that is prepared."""
    try:
        if worker.pipe.poll():
            answer = worker.pipe.recv()
            if worker.item is None and answer is not None:
                raise answer
            return answer
    except EOFError:
        worker.process.join()
        if worker.item is not None:
            return Died(worker.process.exitcode)
        raise RuntimeError(f'a process ended with exit status {worker.process.exitcode} while it imported') from None
    if worker.item is None:
        raise RuntimeError(f'a process has imported for more than {PREPARATION_S:g} s')
    return Late()


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _work(pipe: Connection, prepare: Prepare) -> None:
    ignore_interrupts()
    die_with_parent()
    print_nothing()
    try:
        function = prepare()
    except BadInput as error:
        pipe.send(error)
        return
    except BaseException as error:
        pipe.send(RuntimeError(f'{type(error).__name__} while a process imports what it needs: {error}'))
        return
    pipe.send(None)
    while True:
        pipe.send(function(pipe.recv()))
