"""The memory of this machine: what a process may use at most, has used, and whether the kernel has ended one for it."""

import os
import resource
from contextlib import suppress
from pathlib import Path

CGROUPS, OWN_CGROUP = Path('/sys/fs/cgroup'), Path('/proc/self/cgroup')
_MIB = 2**20


def limit_mib() -> float | None:
    """The memory that processes here may use, in MiB: that of the machine, or less in a container; None if unknown."""
    limits = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))
    of_version_2 = [folder / 'memory.max' for folder in _own_cgroups()]
    of_version_1 = [folder / 'memory.limit_in_bytes' for folder in _own_cgroups('memory')]
    for path in (*of_version_2, *of_version_1):
        with suppress(OSError, ValueError):  # 'max' is no limit
            limits.append(int(path.read_text()))
    return min(limits) / _MIB if limits else None


def limit_of_process_mib() -> float | None:
    """The memory that this process may ask for, in MiB: :func:`limit_mib`, or less by ``ulimit -v``; None if unknown.

    The kernel refuses what lies above ``ulimit -v``; it ends a process for the other limits alone.
    """
    of_process, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [] if of_process == resource.RLIM_INFINITY else [of_process / _MIB]
    limits += [] if (of_machine := limit_mib()) is None else [of_machine]
    return min(limits, default=None)


def peak_mib(pid: int) -> float | None:
    """The highest resident memory of a living process so far, in MiB; None if it is not known."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path(f'/proc/{pid}/status').read_text().splitlines()
        return int(next(line for line in lines if line.startswith('VmHWM:')).split()[1]) / 1024
    return None


def kills_for_memory() -> int | None:
    """The number of processes that the kernel has ended for want of memory so far; None if it is not known.

    Those of this process's cgroup count, or of the nearest one around it that has a count; where none has, those of the
    machine.

    Source:
        Linux, Documentation/admin-guide/cgroup-v2.rst, ``memory.events``, and cgroup-v1/memory.rst,
        ``memory.oom_control``.
    """
    of_version_2 = [folder / 'memory.events' for folder in _own_cgroups()]
    of_version_1 = [folder / 'memory.oom_control' for folder in _own_cgroups('memory')]
    for path in (*of_version_2, *of_version_1, Path('/proc/vmstat')):
        with suppress(OSError, ValueError, StopIteration):
            lines = path.read_text().splitlines()
            return int(next(line for line in lines if line.startswith('oom_kill ')).split()[1])
    return None


def _own_cgroups(controller: str = '') -> list[Path]:
    """The folders of this process's cgroup and of all around it, the nearest first.

    Args:
        controller: One of version 1, which has cgroups of its own; empty for those of version 2.
    """
    root, inside = CGROUPS / controller, ''
    with suppress(OSError, StopIteration):
        entries = (line.split(':', 2) for line in OWN_CGROUP.read_text().splitlines())
        inside = next(place for _, controllers, place in entries if controller in controllers.split(','))
    own = root / inside.lstrip('/')
    # A container sees its own cgroup as the root, and may read its place on the host all the same.
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(root)]
