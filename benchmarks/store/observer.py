"""Does a holder on another host live? It does while its file changes, as seen from here and by the clock of here.

Clocks of two hosts are never compared. The time during which a file has not changed counts only while this process
looks: a pause between two looks counts for a few seconds at most. So neither a process that was stopped, nor a folder
that did not answer for a while, takes a living holder for a dead one.
"""

import os
import time
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

LEASE_S = 60.0  # many heartbeats
LONGEST_PAUSE_S = 10.0  # between two looks, as far as it counts


class Sign(Enum):
    """What is known of a holder from its file."""

    UNSURE = auto()
    ALIVE = auto()
    SILENT = auto()
    GONE = auto()


@dataclass
class _Seen:
    time_ns: int
    looked: float
    silent_s: float = 0.0
    changed: bool = False


class Observer:
    """Remembers how long each file has not changed."""

    def __init__(self) -> None:
        self._seen: dict[Path, _Seen] = {}

    def look(self, path: Path) -> Sign:
        """Look at a file that a holder touches.

        Returns:
            ``SILENT`` if it has not changed for the length of a lease, ``ALIVE`` if it has ever changed, ``GONE`` if it
            is missing, otherwise ``UNSURE``, as at the first look and for a file that cannot be read.
        """
        now = time.monotonic()
        try:
            with open(path, 'rb') as file:  # a network file system asks its server anew when a file is opened
                time_ns = os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:  # the listing that named it was older than its removal
            self._seen.pop(path, None)
            return Sign.GONE
        except OSError:  # the folder does not answer
            self._seen.pop(path, None)
            return Sign.UNSURE
        seen = self._seen.setdefault(path, _Seen(time_ns, now))
        if seen.time_ns != time_ns:
            seen.time_ns, seen.silent_s, seen.changed = time_ns, 0.0, True
        else:
            seen.silent_s += min(now - seen.looked, LONGEST_PAUSE_S)
        seen.looked = now
        if seen.silent_s > LEASE_S:
            return Sign.SILENT
        return Sign.ALIVE if seen.changed else Sign.UNSURE
