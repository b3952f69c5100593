"""Tells whether a stage stands still: for a whole day no step, no image, and no line in its log.

Honest work cannot be told from a deadlock by the processor time that it takes: a process that waits for its data from
another machine takes none, and one that hangs takes some, because its threads look around every few seconds. The limit
is therefore far longer than any step, any image and any fault of a network that mends itself.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from benchmarks.stages.progress import FILE
from benchmarks.stages.worker import LOG

STANDS_STILL_S = 24 * 3600.0
LOOK_S = 10.0


class Silence:
    """Watches the stages of one process, from the moment when they are at work.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.looked: float | None = None
        self.seen: list[tuple] = []
        self.silent_s = 0.0

    def look(self, at_work: Callable[[], Iterable[Path]]) -> bool:
        """Look for signs of progress, every few seconds at most; True if there was none for ``STANDS_STILL_S``.

        Time in which nobody looks does not count, because this process, and the stage with it, may have been stopped;
        nor does time in which the folders cannot be read.

        Args:
            at_work: Gives the working folders of the stages; none before they are at work.
        """
        now = self.clock()
        passed = 0.0 if self.looked is None else now - self.looked
        if self.looked is not None and passed < LOOK_S:
            return False
        self.looked = now
        try:
            seen = _signs(at_work())
        except OSError:
            return False
        self.silent_s = self.silent_s + min(passed, 2 * LOOK_S) if seen and seen == self.seen else 0.0
        self.seen = seen
        return self.silent_s >= STANDS_STILL_S


def _signs(folders: Iterable[Path]) -> list[tuple]:
    """Values that change whenever a stage writes to its log, or counts a step or an image."""
    found = []
    for folder in folders:
        for name in (LOG, FILE):
            with suppress(FileNotFoundError):
                status = (folder / name).stat()
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found
