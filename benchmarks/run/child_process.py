"""Runs a function in a process of its own, beside what this one does meanwhile."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.stages.worker import deaf_to_interrupts, die_with_parent


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, not even while they import: it is for this one to end them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # raises what came meanwhile


class Aside:
    """A context in which ``function()`` runs in another process; leaving it ends that process, done or not.

    What the function imports stays in that process; Ctrl-C is for this one alone.

    Args:
        function: Returns what can be pickled, or raises.
        context: How the process is started; forked from this one where nothing is said.

    Example:
        >>> with Aside(lambda: 6 * 7) as other:
        ...     other.result()
        42
    """

    def __init__(self, function: Callable[[], Any], context: BaseContext | None = None) -> None:
        context = context or multiprocessing.get_context('fork')
        self._receiver, self._sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(function, self._receiver, self._sender))

    def __enter__(self) -> 'Aside':
        try:
            with interrupts_held_back():
                self._process.start()
            self._sender.close()  # so that the other process's end is the end of what it says
        except BaseException:
            if self._process.pid is not None:
                self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.join()
        self._receiver.close()

    def result(self) -> Any:
        """What the function returns, once it has.

        Raises:
            BadInput: As the function.
            RuntimeError: The function raised something else, which its process has printed, or its process was ended.
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
    deaf_to_interrupts()
    die_with_parent()
    receiver.close()
    try:
        sender.send((True, function()))
    except BadInput as error:
        sender.send((False, str(error)))
