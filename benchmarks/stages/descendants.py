"""Ends the processes that a stage has started: those of its data loaders, and those of a plugin."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have, where the system shows them (Linux).

    Ask before that process ends: what it has started then has another parent.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for path in Path('/proc').glob('[0-9]*/stat'):
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            parent = path.read_text().rpartition(')')[2].split()[1]  # behind the name, which may hold anything
            children[int(parent)].append(int(path.parent.name))
    found, waiting = list[int](), [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def kill_all(processes: Iterable[int]) -> None:
    """Kill processes, as far as they live."""
    for one in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)
