"""Tells whether the kernel has ended a stage's process for want of memory, with the memory that it had."""

import signal

from benchmarks.probes.host_memory import kills_for_memory, limit_mib, peak_mib
from benchmarks.run.contract import OUT_OF_MEMORY


class MemoryWatch:
    """Watches one process; make it when the process starts."""

    def __init__(self) -> None:
        self.kills_before = kills_for_memory()
        self.peak_mib: float | None = None

    def look(self, pid: int | None) -> None:
        """Note the memory of the process while it lives."""
        seen = None if pid is None else peak_mib(pid)
        self.peak_mib = self.peak_mib if seen is None else seen

    def why(self, exitcode: int | None) -> str | None:
        """The reason of a process that the kernel has ended for want of memory; None for any other end.

        The kernel says that it has ended processes, not which. Another process may have been meant if somebody else has
        ended this one by the same signal at the same time.
        """
        kills = kills_for_memory()
        if exitcode != -signal.SIGKILL or kills is None or self.kills_before in (None, kills):
            return None
        limit = limit_mib()
        had = '' if self.peak_mib is None else f': it had {self.peak_mib:.0f} MiB'
        return OUT_OF_MEMORY + had + ('' if limit is None else f', and may use {limit:.0f} MiB')
