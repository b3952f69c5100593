"""A cgroup with little memory: the kernel ends processes in it for want of memory, and none outside.

Needs the right to make cgroups: on most machines root's, or a container's.
"""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path('/sys/fs/cgroup')
ENTERING = 'echo $$ > "$0" && exec "$@"'
PATIENCE_S = 60


class NoCgroup(Exception):
    """No cgroup with a limit of memory can be made here; the message says why."""


class MemoryCgroup:
    """The cgroup.

    Args:
        folder: Its folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def within(self) -> list[str]:
        """The words before a command that has it run in this cgroup, with all that it starts."""
        return ['sh', '-c', ENTERING, str(self.folder / 'cgroup.procs')]

    def processes(self) -> list[int]:
        """The processes that are in it."""
        return [int(line) for line in (self.folder / 'cgroup.procs').read_text().split()]


@contextmanager
def memory_cgroup(limit_mib: int) -> Iterator[MemoryCgroup]:
    """A cgroup of this process's own, below that of this process; at the end its processes are killed.

    Args:
        limit_mib: The memory that all its processes together may use.

    Raises:
        NoCgroup: It cannot be made.
    """
    cgroup = MemoryCgroup(_made(limit_mib * 2**20))
    try:
        yield cgroup
    finally:
        _remove(cgroup)


def _made(limit: int) -> Path:
    reasons = []
    for parent, files in _parents():
        folder = parent / f'test-{os.getpid()}-{time.monotonic_ns()}'
        try:
            folder.mkdir()
        except OSError as error:
            reasons.append(str(error))
            continue
        try:
            (folder / files[0]).write_text(str(limit))
            with suppress(OSError):  # a kernel without swap has no such file
                (folder / files[1]).write_text(str(limit if files[1].endswith('in_bytes') else 0))
            return folder
        except OSError as error:
            folder.rmdir()
            reasons.append(str(error))
    raise NoCgroup('; '.join(reasons) or f'no cgroups of memory below {ROOT}')


def _parents() -> Iterator[tuple[Path, Sequence[str]]]:
    """The cgroups below which one may be made, the nearest first; and the names of their limits of memory and swap."""
    with suppress(OSError):
        for line in Path('/proc/self/cgroup').read_text().splitlines():
            _, controllers, place = line.split(':', 2)
            if 'memory' in controllers.split(','):
                own = ROOT / 'memory' / place.lstrip('/')
                yield own, ('memory.limit_in_bytes', 'memory.memsw.limit_in_bytes')
            elif not controllers:
                own = ROOT / place.lstrip('/')
                for parent in (own, *own.parents):
                    given = parent / 'cgroup.subtree_control'  # what the cgroups below may limit
                    if parent.is_relative_to(ROOT) and given.is_file() and 'memory' in given.read_text().split():
                        yield parent, ('memory.max', 'memory.swap.max')


def _remove(cgroup: MemoryCgroup) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for process in cgroup.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            cgroup.folder.rmdir()
            return
        except OSError:  # processes are still ending
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
