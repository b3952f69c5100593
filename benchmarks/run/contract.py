"""The contract between the driver and a launcher, so that stages can run on another machine, a cluster or a queue."""

import errno
import os
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from benchmarks.stages.worker import Task

# Complaints that the driver understands; every other complaint is the reason of a failure, in one line for people.
TIMEOUT = 'timeout'
STANDS_STILL = 'it stands still'  # the beginning of the reason of a stage that was killed for it
PREEMPTED = 'preempted'
DAMAGED_PARENT = 'a stored result that it reads was damaged'
KEPT_EARLIER = 'it failed when it was run again, and its earlier result is kept'
FAILED_ON_SHARED_GPU = 'it failed beside others'
ELSEWHERE = 'a driver on another host computes it'
LOST_LEASE = 'another host has taken it over, because this one stood still for longer than its lease'
OUT_OF_MEMORY = 'it was ended for want of memory'  # the beginning of the reason of such a failure
DISK_FULL = f'OSError: [Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}'  # a reason of failures, too
OVER_QUOTA = f'OSError: [Errno {errno.EDQUOT}] {os.strerror(errno.EDQUOT)}'  # likewise


@runtime_checkable
class Launcher(Protocol):
    """Starts stages, says when they have ended, and cancels them.

    A launcher reads no result and stores none: the process of a stage stores its own (``benchmarks.stages.worker``).

    Attributes:
        timeout_s: Seconds before a stage is killed; None kills one only if it stands still. Waiting for locks does not
            count, and a process with k stages gets k times as long.
    """

    timeout_s: float | None

    def submit(self, *tasks: Task) -> None:
        """Start one process, and return at once.

        The process runs ``worker.run_task(task)`` for one task, or ``together.run_together(tasks)`` for several, with
        the store of the tasks on a file system that this process and the driver share. It inherits no state from
        another stage: the numbers of a stage do not depend on the stages before it.
        """

    def poll(self) -> dict[str, str | None]:
        """The stages whose processes have ended since the last call, and why: key → complaint.

        Never blocks. Each submitted key comes out exactly once; all tasks of one process come out together, with one
        complaint. None says that the process ended well, so that the store has a result. ``TIMEOUT`` says that the
        launcher killed it after ``timeout_s``, a text that begins with ``STANDS_STILL`` that it did so because the
        stage stood still, ``PREEMPTED`` that its node was lost or taken away as often as the launcher tries.
        ``DAMAGED_PARENT``, ``FAILED_ON_SHARED_GPU``, ``KEPT_EARLIER``, ``LOST_LEASE``, ``DISK_FULL`` and ``OVER_QUOTA``
        stand for the worker's exit statuses ``EXIT_DAMAGED_PARENT``, ``EXIT_FAILED_ON_SHARED_GPU``,
        ``EXIT_KEPT_EARLIER``, ``EXIT_LOST_LEASE``, ``EXIT_DISK_FULL`` and ``EXIT_OVER_QUOTA``. ``ELSEWHERE`` says that
        the stage has not run, because a driver with another store computes it. A text that begins with
        ``OUT_OF_MEMORY`` is the reason of the status ``out_of_memory`` of a stage that had no others beside it, any
        other text that of a failure.
        """

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in a process like a stage's (the same machine, GPU and imports) and return its result.

        Raises:
            RuntimeError: The process ended before the function returned.
        """

    def cancel_all(self) -> None:
        """End all running stages, and return when no process is left that could still write to the store."""

    def warm_up(self) -> None:
        """Prepare for the first stage while the caller goes on; calling it is never needed, and may be repeated."""
