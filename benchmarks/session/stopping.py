"""Signals that stop a run: Ctrl-C, SIGTERM of a scheduler, SIGHUP of a terminal that closes.

Each of them ends the run in order: its stages end, and what has finished stands in a report. A second Ctrl-C ends the
program at once. The results that are stored are whole in any case (:mod:`benchmarks.store.store`).
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from benchmarks.errors import Stopped

SHOWS_THE_CURSOR = '\x1b[?25h'  # a live display hides it
ONE_PRESS_S = 0.1  # signals that come within so short a time are one: `timeout` sends each to a process and its group
_BY_SIGNAL = 128  # a shell's exit status of a program that a signal has ended, less the signal


def exit_status(error: KeyboardInterrupt) -> int:
    """The exit status of a program that was stopped: 128 and the number of the signal."""
    return _BY_SIGNAL + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def stopped_by(error: KeyboardInterrupt) -> str:
    """The line that says that a run was stopped, and how it goes on."""
    by = f' by {signal.Signals(error.number).name}' if isinstance(error, Stopped) else ''
    return f'stopped{by}; what had finished is kept. Run the same command again to go on.'


@contextmanager
def stops_heard() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block for the first signal that stops it; for SIGTERM and SIGHUP :class:`Stopped`.

    A signal that this process was started to ignore stays ignored (``nohup``). In a thread nothing is changed, because
    Python handles signals in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hear = _Stops()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


class _Stops:
    """The handler of the signals."""

    def __init__(self) -> None:
        self.first_at: float | None = None
        self.terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def __call__(self, number: int, frame: FrameType | None) -> Any:
        now = time.monotonic()
        if number == signal.SIGHUP:
            self._leave_terminals()
        if self.first_at is None:
            self.first_at = now
            raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)
        if number == signal.SIGINT and now - self.first_at > ONE_PRESS_S:
            self._end_at_once()

    def _leave_terminals(self) -> None:
        """Nothing that is written to a closed terminal may raise an error before everything is saved."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in self.terminals:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)

    def _end_at_once(self) -> None:
        # Its stages end with this process, and what they were computing is cleared by the next run.
        shown = SHOWS_THE_CURSOR if 2 in self.terminals else ''
        os.write(2, f'{shown}\nstopped at once; results that were stored are kept.\n'.encode())
        os._exit(exit_status(KeyboardInterrupt()))
