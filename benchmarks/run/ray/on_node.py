"""What a Ray worker does for a stage: it starts the stage's process on its node, and gives signs of life."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.files import write_json
from benchmarks.run.launcher import LocalLauncher
from benchmarks.stages.worker import Task

POLL_S = 0.1
BEAT_S = 1.0
VISIBLE = 'CUDA_VISIBLE_DEVICES'


@dataclass(frozen=True)
class Surroundings:
    """What a worker takes over from the driver's process.

    Args:
        cwd: The folder in which the grid runs.
        environment: Variables to set.
        device: ``cpu`` or ``cuda``.
    """

    cwd: str
    environment: dict[str, str]
    device: str

    def enter(self) -> None:
        """Take it over. Ray has set the GPUs of this task; a stage on a CPU sees none."""
        os.chdir(self.cwd)
        os.environ.update(self.environment)
        if self.device == 'cpu':
            os.environ[VISIBLE] = ''


def run_stage(
    tasks: tuple[Task, ...], timeout_s: float | None, surroundings: Surroundings, beat: str
) -> dict[str, str | None]:
    """Run stages as one process of this node; returns what :meth:`LocalLauncher.poll` says of them.

    Args:
        tasks: The stages.
        timeout_s: Seconds before a stage is killed.
        surroundings: The driver's folder and environment.
        beat: The file that is written anew every second, so that the driver sees that this node lives.
    """
    surroundings.enter()
    launcher = _launcher()
    launcher.timeout_s = timeout_s
    launcher.gpus = (os.environ[VISIBLE],) if os.environ.get(VISIBLE) else ()
    launcher.submit(*tasks)
    beats, last, ended = 0, float('-inf'), dict[str, str | None]()
    while not ended:
        if time.monotonic() - last > BEAT_S:
            beats, last = beats + 1, time.monotonic()
            _beat(Path(beat), beats)
        time.sleep(POLL_S)
        ended = launcher.poll()
    return ended


def call(function: Callable[[], Any], surroundings: Surroundings) -> Any:
    """The result of a function in a process like a stage's."""
    surroundings.enter()
    launcher = _launcher()
    launcher.gpus = (os.environ[VISIBLE],) if os.environ.get(VISIBLE) else ()
    return launcher.call(function)


@cache
def _launcher() -> LocalLauncher:
    """The launcher of this worker, whose server has imported torch and mmseg for all stages that the worker gets.

    The worker's main module imports ray, and so does each process that it starts; the server does it for all.
    """
    return LocalLauncher(preload=('ray',))


def _beat(path: Path, number: int) -> None:
    try:
        write_json(path, number)
    except OSError:  # a full disk: the stage says so itself
        return
