"""The progress of a running stage: one small file, which is always replaced as a whole."""

import json
import time
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.probes.memory import cuda_now

INTERVAL_S = 0.5
GPU = 'gpu'
FILE = 'progress.json'


def _write(path: Path, content: dict) -> None:
    """Without a checksum: the next one replaces it soon."""
    write_atomic(path, json.dumps(content).encode(), sync=False)


def say_waiting(folder: Path, text: str) -> None:
    """Say in a stage's working folder for whom it waits before it can begin; its first step replaces that."""
    _write(folder / FILE, dict(waits_for=text))


class Progress:
    """Writes ``progress.json`` into a stage's working folder, at most every half second.

    If the stage's process has started CUDA, the file also holds its GPU memory (``gpu``:
    :func:`benchmarks.probes.memory.cuda_now`) and the time of that measurement (``at``, in seconds of the monotonic
    clock, which all processes of a machine share).

    Args:
        folder: The stage's working folder.
        total: The number of steps to do.
    """

    def __init__(self, folder: Path, total: int) -> None:
        self.path, self.total = folder / FILE, total
        self.start = time.monotonic()
        self.written = -INTERVAL_S
        self.step = 0
        self.peak_reserved_mib = 0.0

    def advance(self, loss: float | None = None) -> None:
        """Count one step.

        Args:
            loss: Loss of the step, to be shown; None if the stage has none.
        """
        self.step += 1
        now = time.monotonic()
        if now - self.written < INTERVAL_S and self.step < self.total:
            return
        self.written = now
        seconds = now - self.start
        content = dict(
            step=self.step,
            total=self.total,
            loss=loss,
            eta_s=seconds / self.step * (self.total - self.step),
            **self._gpu(),
        )
        _write(self.path, content)

    def _gpu(self) -> dict:
        cuda = cuda_now()
        if cuda is None:
            return {}
        # mmengine resets the allocator's peak whenever it logs.
        self.peak_reserved_mib = max(self.peak_reserved_mib, cuda['peak_reserved_mib'])
        return {GPU: {**cuda, 'peak_reserved_mib': self.peak_reserved_mib, 'at': time.monotonic()}}
