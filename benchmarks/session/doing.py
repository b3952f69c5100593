"""Says what the program does while it prepares: one refreshing line on a terminal, a line now and then in a log.

Nothing is said of what takes less than two seconds. The lines go to the standard error, because the standard output
belongs to the plan and the report.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SILENT_S = 2.0
REFRESH_S = 0.5
LOG_INTERVAL_S = 15.0
MARK = '  … '
CLEAR = '\r\x1b[K'


def duration(seconds: float) -> str:
    """``75`` → ``1:15``; hours where there are any."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'


class Doing:
    """What is being done, and how far it is.

    Args:
        text: What is done.
        unit: The plural of what is counted.
    """

    def __init__(self, text: str, unit: str = '') -> None:
        self.text, self.unit = text, unit
        self.started = time.monotonic()
        self.done, self.total = 0, 0

    def advance(self, done: int, total: int) -> None:
        """Say how far it is."""
        self.done, self.total = done, total

    def now(self, text: str) -> None:
        """Say what is done now."""
        self.text = text

    def line(self) -> str:
        """One line: what, how far, for how long, and how long it may still take."""
        elapsed = time.monotonic() - self.started
        line = f'{MARK}{self.text}'
        if self.total:
            line += f': {self.done} of {self.total} {self.unit}'.rstrip()
        line += f', {duration(elapsed)}'
        if 0 < self.done < self.total:
            line += f', about {duration(elapsed / self.done * (self.total - self.done))} left'
        return line


@contextmanager
def doing(text: str, unit: str = '', stream: TextIO | None = None) -> Iterator[Doing]:
    """Say what the block does, as soon as it takes longer than two seconds.

    A thread of this process writes the lines, because the block may be busy in one long call, such as an import.

    Args:
        text: What the block does.
        unit: The plural of what it counts.
        stream: None stands for the standard error.

    Yields:
        Take it to say how far the block is.
    """
    what, end = Doing(text, unit), threading.Event()
    thread = threading.Thread(target=_show, args=(what, stream or sys.stderr, end), daemon=True)
    thread.start()
    try:
        yield what
    finally:
        end.set()
        thread.join()


def _show(what: Doing, stream: TextIO, end: threading.Event) -> None:
    if end.wait(SILENT_S):
        return
    live = stream.isatty()
    while True:
        stream.write(f'{CLEAR}{what.line()}' if live else f'{what.line()}\n')
        stream.flush()
        if end.wait(REFRESH_S if live else LOG_INTERVAL_S):
            break
    if live:
        stream.write(CLEAR)
        stream.flush()
