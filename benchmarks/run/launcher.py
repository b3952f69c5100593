"""Runs stages as processes of this machine.

Each stage, or each batch of stages that share a pass, gets a fresh process, forked from a server that has imported
torch and mmseg once: starting a stage costs milliseconds, and it inherits nothing from another stage.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from benchmarks.run.child_process import ChildProcess, interrupts_held_back
from benchmarks.run.contract import (
    DAMAGED_PARENT,
    DISK_FULL,
    FAILED_ON_SHARED_GPU,
    KEPT_EARLIER,
    LOST_LEASE,
    OVER_QUOTA,
    STANDS_STILL,
    TIMEOUT,
)
from benchmarks.run.memory_watch import MemoryWatch
from benchmarks.run.silence import STANDS_STILL_S, Silence
from benchmarks.run.watched import Prepare, call_watched
from benchmarks.stages.descendants import descendants, kill_all
from benchmarks.stages.huge_pages import environment_of_a_start
from benchmarks.stages.together import run_together
from benchmarks.stages.worker import (
    EXIT_DAMAGED_PARENT,
    EXIT_DISK_FULL,
    EXIT_FAILED_ON_SHARED_GPU,
    EXIT_KEPT_EARLIER,
    EXIT_LOST_LEASE,
    EXIT_OVER_QUOTA,
    LOG,
    Task,
    run_task,
)
from benchmarks.store.store import Store

PRELOADED = 'benchmarks.run.preloaded'
SAFE_PATH = 'PYTHONSAFEPATH'
VISIBLE = 'CUDA_VISIBLE_DEVICES'
STOOD_STILL = (
    f'{STANDS_STILL}: no step, no image and no line in its log for {STANDS_STILL_S / 3600:g} h '
    '(--timeout SECONDS sets a limit, --timeout inf none)'
)
COMPLAINTS = {
    EXIT_DAMAGED_PARENT: DAMAGED_PARENT,
    EXIT_FAILED_ON_SHARED_GPU: FAILED_ON_SHARED_GPU,
    EXIT_KEPT_EARLIER: KEPT_EARLIER,
    EXIT_LOST_LEASE: LOST_LEASE,
    EXIT_DISK_FULL: DISK_FULL,
    EXIT_OVER_QUOTA: OVER_QUOTA,
}


@dataclass
class _Running:
    process: ForkServerProcess
    keys: list[str]
    store: Store
    deadline: float | None = None
    gpu: str | None = None
    memory: MemoryWatch = field(default_factory=MemoryWatch)
    silence: Silence = field(default_factory=Silence)


def _run(tasks: Sequence[Task], gpu: str | None) -> None:
    """Run one stage, or several that share a pass; on one GPU, which must be named before CUDA starts."""
    if gpu is not None:
        os.environ[VISIBLE] = gpu
    if len(tasks) == 1:
        run_task(tasks[0])
    else:
        run_together(tasks)


class LocalLauncher:
    """Starts, polls and cancels stages; a :class:`benchmarks.run.contract.Launcher`.

    Args:
        timeout_s: Seconds before a stage is killed; waiting for locks does not count, and a process with k stages gets
            k times as long. None kills one only after a day without a step, an image or a line in its log.
        preload: Modules that each process would import before its stage, such as the one behind the program's main
            module; the server imports them once for all.
        gpus: The GPUs of this machine as ``CUDA_VISIBLE_DEVICES`` names them; each process gets one of those that the
            fewest processes have. Without any, all processes see what this one sees.
    """

    def __init__(
        self, timeout_s: float | None = None, *, preload: Sequence[str] = (), gpus: Sequence[str] = ()
    ) -> None:
        self.timeout_s, self.gpus = timeout_s, tuple(gpus)
        self.context = multiprocessing.get_context('forkserver')
        # PRELOADED comes last: it puts all that is imported by then out of the garbage collector's sight.
        self.context.set_forkserver_preload([*preload, PRELOADED])
        self.running: list[_Running] = []

    def warm_up(self) -> None:
        """Start the server, unless it runs; it imports while the caller goes on."""
        # The server is started with `python -c`, which would otherwise import modules of the current folder first.
        with environment_of_a_start({SAFE_PATH: '1'}):
            resource_tracker.ensure_running()  # it lifts the mask of signals, so it must have started before
            with interrupts_held_back():
                forkserver.ensure_running()

    def submit(self, *tasks: Task) -> None:
        """Start a stage, or several that share a pass."""
        self.warm_up()
        gpu = self._free_gpu()
        process = self.context.Process(target=_run, args=(tasks, gpu))
        process.start()
        assert process.pid is not None
        store = Store(Path(tasks[0].store))
        self.running.append(_Running(process, [task.key for task in tasks], store, gpu=gpu))

    def _free_gpu(self) -> str | None:
        """The first of the GPUs that the fewest processes have; None if none is named."""
        busy = [running.gpu for running in self.running]
        return min(self.gpus, key=busy.count, default=None)

    def call(self, function: Callable[[], Any]) -> Any:
        """The result of a function that runs in a process of its own, forked as stages are.

        Raises:
            RuntimeError: The process ended before the function returned.
        """
        self.warm_up()
        with ChildProcess(function, self.context) as child:
            return child.result()

    def watched(
        self, prepare: Prepare, items: Sequence[Any], limit_s: float, at_once: int
    ) -> Iterator[tuple[int, Any]]:
        """See :func:`benchmarks.run.watched.call_watched`; the processes are forked as those of stages are."""
        if items:
            self.warm_up()
        return call_watched(prepare, items, self.context, limit_s=limit_s, at_once=at_once)

    def poll(self) -> dict[str, str | None]:
        """The stages that have ended since the last call: key → None, or why the process left no result."""
        ended: dict[str, str | None] = {}
        for running in list(self.running):
            complaint: str | None
            if running.process.is_alive() and (late := self._why_late(running)):
                self._end(running)
                complaint = late
            elif not running.process.is_alive():
                running.process.join()
                complaint = running.memory.why(running.process.exitcode) or self._why(running.process.exitcode)
            else:
                running.memory.look(running.process.pid)
                continue
            self.running.remove(running)
            ended |= dict.fromkeys(running.keys, complaint)
        return ended

    def _why_late(self, running: _Running) -> str | None:
        """The complaint about a process that has been at work for too long, or stands still; None about any other."""
        if self.timeout_s is None:
            return STOOD_STILL if running.silence.look(lambda: _at_work(running)) else None
        if running.deadline is None and _at_work(running):
            running.deadline = time.monotonic() + self.timeout_s * len(running.keys)
        return TIMEOUT if running.deadline is not None and time.monotonic() > running.deadline else None

    def cancel_all(self) -> None:
        """End all stages at once; none of them leaves a result."""
        for running in self.running:
            self._end(running)
        self.running.clear()

    @staticmethod
    def _end(running: _Running) -> None:
        others = [] if running.process.pid is None else descendants(running.process.pid)
        running.process.kill()  # first, so that it cannot store the end of its loaders as a failure
        kill_all(others)
        running.process.join()

    @staticmethod
    def _why(exitcode: int | None) -> str | None:
        if exitcode == 0:
            return None
        if exitcode in COMPLAINTS:
            return COMPLAINTS[exitcode]
        if exitcode is not None and exitcode < 0:
            return f'the process was ended by signal {-exitcode}' + (' (out of memory?)' if exitcode == -9 else '')
        return f'the process ended with exit status {exitcode}'


def _at_work(running: _Running) -> list[Path]:
    """The working folders of a process's stages; none before it has its locks, from when on it writes a log."""
    assert running.process.pid is not None
    places = [running.store.at_work(key, running.process.pid) for key in running.keys]
    folders = [place for place in places if place is not None]
    return folders if any((folder / LOG).exists() for folder in folders) else []
