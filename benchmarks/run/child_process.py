"""Runs a function in another process, while this process goes on."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stages.worker import die_with_parent, ignore_interrupts


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Processes that are started meanwhile never see Ctrl-C, not even while they import: this process ends them.

    So it is with what else stops a run (:func:`benchmarks.stages.worker.ignore_interrupts`).
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # raises an interrupt that came meanwhile


def print_nothing() -> None:
    """Drop all that this process prints from now on, compiled code included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


class ChildProcess:
    """A context in which ``function()`` runs in another process; leaving the context ends that process.

    Modules that the function imports stay in that process. Ctrl-C reaches this process alone.

    Args:
        function: Returns a value that can be pickled, or raises.
        context: How the process is started; None forks it from this one.

    Example:
        >>> with ChildProcess(lambda: 6 * 7) as child:
        ...     child.result()
        42
    """

    def __init__(self, function: Callable[[], Any], context: BaseContext | None = None) -> None:
        context = context or multiprocessing.get_context('fork')
        self._receiver, self._sender = context.Pipe(duplex=False)
        # Each concrete context has a class `Process`, which the base class does not declare.
        self._process: multiprocessing.process.BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=_run, args=(function, self._receiver, self._sender)
        )

    def __enter__(self) -> 'ChildProcess':
        try:
            with interrupts_held_back():
                self._process.start()
            self._sender.close()  # so that the pipe ends when the other process closes its end
        except BaseException:
            if self._process.pid is not None:
                self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.join()
        self._receiver.close()

    def has_ended(self, within_s: float = 0) -> bool:
        """Whether :meth:`result` would not wait; waits for that as long as it is told to."""
        return self._receiver.poll(within_s)

    def result(self) -> Any:
        """Wait for the function, and return its result.

        Raises:
            BadInput: The function raised it.
            RuntimeError: The function raised another exception, which its process has printed, or its process was
                ended.
        """
        try:
            good, value = self._receiver.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f'the process beside this one ended with exit status {self._process.exitcode}') from None
        if not good:
            raise BadInput(value)
        return value


def _run(function: Callable[[], Any], receiver: Connection, sender: Connection) -> None:
    ignore_interrupts()
    die_with_parent()
    receiver.close()
    try:
        sender.send((True, function()))
    except BadInput as error:
        sender.send((False, str(error)))
