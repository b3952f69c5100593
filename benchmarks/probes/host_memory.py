"""The memory of this machine: what a process may use at most, has used, and whether the kernel has ended one for it."""

import os
from contextlib import suppress
from pathlib import Path

CGROUP_LIMITS = (Path('/sys/fs/cgroup/memory.max'), Path('/sys/fs/cgroup/memory/memory.limit_in_bytes'))
_MIB = 2**20


def limit_mib() -> float | None:
    """The memory that this process may use, in MiB: that of the machine, or less in a container; None if unknown."""
    limits = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))
    for path in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # 'max' is no limit
            limits.append(int(path.read_text()))
    return min(limits) / _MIB if limits else None


def peak_mib(pid: int) -> float | None:
    """The highest resident memory of a living process so far, in MiB; None if it is not known."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path(f'/proc/{pid}/status').read_text().splitlines()
        return int(next(line for line in lines if line.startswith('VmHWM:')).split()[1]) / 1024
    return None


def kills_for_memory() -> int | None:
    """The number of processes that the kernel has ended for want of memory since its start; None if it is not known."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path('/proc/vmstat').read_text().splitlines()
        return int(next(line for line in lines if line.startswith('oom_kill ')).split()[1])
    return None
