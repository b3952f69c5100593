"""Runs stages as processes of this machine.

Each stage, or each pass that several stages share, gets a fresh process, forked from a server that has imported torch
and mmseg once: starting a stage costs milliseconds, and it inherits nothing from another stage.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

from benchmarks.run.child_process import Aside, interrupts_held_back
from benchmarks.stages.together import run_together
from benchmarks.stages.worker import CROWDED, DAMAGED_PARENT, LOG, Task, run_task
from benchmarks.store.store import Store

PRELOADED = 'benchmarks.run.preloaded'
SAFE_PATH = 'PYTHONSAFEPATH'
PARENT_GONE = 'a stored result that it reads was damaged'
NO_ROOM = 'it failed beside others'


@dataclass
class _Running:
    process: multiprocessing.Process
    keys: list[str]
    logs: list[Path]
    deadline: float | None = None


@contextmanager
def _safe_path() -> Iterator[None]:
    """What is started with ``python -c`` would import what lies in the current folder before all else."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = '1'
    try:
        yield
    finally:
        os.environ.pop(SAFE_PATH)
        os.environ.update({SAFE_PATH: before} if before is not None else {})


class LocalLauncher:
    """Submit, poll and cancel stages.

    Args:
        timeout_s: A stage that runs longer is ended, not counting the time for which it waits until another driver's
            stages leave it its key or the machine; None never ends one. A pass of several stages has as many times as
            long.
    """

    def __init__(self, timeout_s: float | None = None) -> None:
        self.timeout_s = timeout_s
        self.context = multiprocessing.get_context('forkserver')
        self.context.set_forkserver_preload([PRELOADED])
        self.running: list[_Running] = []

    @staticmethod
    def warm_up() -> None:
        """Start the server, unless it runs; it imports while the caller goes on."""
        with _safe_path():
            resource_tracker.ensure_running()  # it lifts the mask, so it must have started before
            with interrupts_held_back():
                forkserver.ensure_running()

    def submit(self, *tasks: Task) -> None:
        """Start a stage, or several that share a pass."""
        target = (run_task, tasks) if len(tasks) == 1 else (run_together, (tasks,))
        self.warm_up()
        process = self.context.Process(target=target[0], args=target[1])
        process.start()
        store = Store(Path(tasks[0].store))
        self.running.append(
            _Running(
                process,
                [task.key for task in tasks],
                [store.working_folder(task.key, process.pid) / LOG for task in tasks],
            )
        )

    def call(self, function: Callable[[], Any]) -> Any:
        """What a function returns in a process of its own, forked as stages are.

        Raises:
            RuntimeError: The process ended before it returned.
        """
        self.warm_up()
        with Aside(function, self.context) as aside:
            return aside.result()

    def poll(self) -> dict[str, str | None]:
        """The stages that have ended since the last call: key → None, or why the process left no result."""
        ended = {}
        for running in list(self.running):
            if running.process.is_alive() and self._is_late(running):
                self._end(running)
                complaint = 'timeout'
            elif not running.process.is_alive():
                running.process.join()
                complaint = self._why(running.process.exitcode)
            else:
                continue
            self.running.remove(running)
            ended |= dict.fromkeys(running.keys, complaint)
        return ended

    def _is_late(self, running: _Running) -> bool:
        """Whether a stage has been at work for too long; its log is there from when it has its locks."""
        if running.deadline is None and self.timeout_s and any(log.exists() for log in running.logs):
            running.deadline = time.monotonic() + self.timeout_s * len(running.keys)
        return running.deadline is not None and time.monotonic() > running.deadline

    def cancel_all(self) -> None:
        """End all stages at once; none of them leaves a result."""
        for running in self.running:
            self._end(running)
        self.running.clear()

    @staticmethod
    def _end(running: _Running) -> None:
        running.process.kill()
        running.process.join()

    @staticmethod
    def _why(exitcode: int) -> str | None:
        if exitcode == 0:
            return None
        if exitcode == DAMAGED_PARENT:
            return PARENT_GONE
        if exitcode == CROWDED:
            return NO_ROOM
        if exitcode < 0:
            return f'the process was ended by signal {-exitcode}' + (' (out of memory?)' if exitcode == -9 else '')
        return f'the process ended with exit status {exitcode}'
