"""Runs stages as tasks of a Ray cluster; a :class:`benchmarks.run.contract.Launcher`.

Ray decides on which node a stage runs. The store of the tasks is on a file system that all nodes share.

A task on a node that has died may stay "running" for ever. So a stage gives a sign of life every second, in a file
beside the store, and one without a sign for too long is begun again elsewhere. If it lives after all, the two wait for
each other at the key's lock. Clocks of nodes are never compared.
"""

import os
import pickle
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.files import ROOT, read_json
from benchmarks.run.contract import OUT_OF_MEMORY, PREEMPTED
from benchmarks.run.ray import bootstrap, on_node
from benchmarks.run.ray.on_node import Surroundings
from benchmarks.run.ray.settings import FLAG, RaySettings
from benchmarks.stages.worker import Task

CANCEL_S = 10.0
LOOPBACK = '127.0.0.2'  # Ray replaces 127.0.0.1 by an address that other machines can reach
VARIABLES = dict(
    RAY_USAGE_STATS_ENABLED='0',  # it would tell its makers of each cluster
    RAY_worker_niceness='0',  # at 15, its default, a stage stands still on a busy machine, and a latency means nothing
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO='0',  # a warning for each task without a GPU
)
CARRIED = ('ABLATION_WORK_DIR', 'PYTHONPATH', 'PYTORCH_NVML_BASED_CUDA_CHECK')


def import_ray() -> ModuleType:
    """ray, which only those need who run on a cluster.

    Raises:
        BadInput: It is not installed.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise BadInput(
            f"--launcher ray needs ray ({error}); install the extra: pip install 'segmentation-ablation[ray]'"
        ) from error
    return ray


@dataclass
class _Running:
    """A process on some node.

    Args:
        tasks: Its stages.
        beat: The file of the signs of life of this try.
        handle: ray's name for the running task.
        tries: How often it was begun.
        sign: The last sign of life.
        seen: When that sign was new (this machine's monotonic clock); None before the first one.
    """

    tasks: tuple[Task, ...]
    beat: Path | None = None
    handle: Any = None
    tries: int = 0
    sign: Any = None
    seen: float | None = None
    keys: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = [task.key for task in self.tasks]

    def end_signs(self) -> None:
        """Forget the signs of life."""
        self.sign = self.seen = None
        if self.beat is not None:
            self.beat.unlink(missing_ok=True)


class RayLauncher:
    """Starts, polls and cancels stages on a cluster.

    Args:
        settings: What a stage takes of it.
        device: ``cpu`` or ``cuda``.
        folder: For the signs of life; all nodes must see it.
        timeout_s: Seconds before a stage is killed; see :class:`benchmarks.run.contract.Launcher`.

    Raises:
        BadInput: ray is not installed, the cluster cannot be reached, or no node has what a stage takes.
    """

    def __init__(self, settings: RaySettings, device: str, folder: Path, timeout_s: float | None = None) -> None:
        self.ray, self.settings, self.timeout_s = import_ray(), settings, timeout_s
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {name: os.environ[name] for name in CARRIED if name in os.environ}
        self.surroundings = Surroundings(os.getcwd(), environment, device)
        self.running: list[_Running] = []
        _connect(self.ray, settings.address)
        self.ray.cloudpickle.register_pickle_by_value(bootstrap)
        self._function = self.ray.remote(bootstrap.call_by_value)
        self._refuse_too_small_nodes()

    def nodes(self) -> list[dict[str, float]]:
        """The resources of each living node."""
        return [node['Resources'] for node in self.ray.nodes() if node['Alive']]

    def kind_of_node(self) -> str | None:
        """The largest nodes as text, on which measurements run; None for a cluster on this machine."""
        if self.settings.address is None:
            return None
        largest = self._largest()
        named = {name: value for name, value in largest.items() if name in ('CPU', 'GPU') or ':' in name}
        asked = [f'{name}={value:g}' for name, value in sorted(named.items()) if not name.startswith('node:')]
        return f'ray {" ".join(asked)}'

    def slots(self) -> int:
        """How many stages the cluster can run at once."""
        return max(1, sum(self._fitting(node) for node in self.nodes()))

    def _fitting(self, node: dict[str, float]) -> int:
        asked = dict(CPU=self.settings.cpus, GPU=self.settings.gpus, memory=float(self.settings.memory or 0))
        return int(min(node.get(name, 0.0) / amount for name, amount in asked.items() if amount))

    def _largest(self) -> dict[str, float]:
        return max(self.nodes(), key=lambda node: (node.get('GPU', 0.0), node.get('CPU', 0.0)))

    def _refuse_too_small_nodes(self) -> None:
        if not any(self._fitting(node) for node in self.nodes()):
            largest = {name: self._largest().get(name, 0.0) for name in ('CPU', 'GPU', 'memory')}
            raise BadInput(
                f'no node of the Ray cluster has what a stage takes: {FLAG} cpus={self.settings.cpus:g} '
                f'gpus={self.settings.gpus:g} memory={self.settings.memory or 0}; the largest has '
                + ', '.join(f'{name} {value:g}' for name, value in largest.items())
            )

    def warm_up(self) -> None:
        """Nothing: a node's first stage starts the server from which its later ones are forked."""

    def submit(self, *tasks: Task) -> None:
        """Start a stage, or several that share a pass."""
        running = _Running(tasks)
        self._begin(running)
        self.running.append(running)

    def _begin(self, running: _Running) -> None:
        running.tries += 1
        running.end_signs()
        running.beat = self.folder / f'{uuid.uuid4().hex}.json'  # a try that still lives writes to another one
        arguments = (running.tasks, self.timeout_s, self.surroundings, str(running.beat))
        alone = running.tasks[0].alone
        running.handle = self._call(on_node.run_stage, arguments, running.tasks[0].label, alone=alone)

    def _call(self, function: Callable, arguments: tuple, name: str, *, alone: bool) -> Any:
        """Have a node call a function; a stage that runs alone takes a whole node of the largest kind."""
        settings, largest = self.settings, self._largest()
        options = dict(
            num_cpus=largest.get('CPU', 1.0) if alone else settings.cpus,
            num_gpus=largest.get('GPU', 0.0) if alone and settings.gpus else settings.gpus,
            max_retries=0,  # which of a stage's ends are failures is said here
            scheduling_strategy='DEFAULT' if alone else 'SPREAD',
            name=name,
        )
        if settings.memory:
            options['memory'] = settings.memory
        content = pickle.dumps((function, arguments))
        return self._function.options(**options).remote((str(ROOT), *filter(None, sys.path)), content)

    def poll(self) -> dict[str, str | None]:
        """The stages that have ended since the last call: key → None, or why the process left no result."""
        if not self.running:
            return {}
        handles = {running.handle: running for running in self.running}
        ready, _ = self.ray.wait(list(handles), num_returns=len(handles), timeout=0, fetch_local=False)
        ended: dict[str, str | None] = {}
        for running in [handles[handle] for handle in ready]:
            ended |= self._result(running)
        for running in self.running:
            if running.handle not in ready and self._is_lost(running):
                self.ray.cancel(running.handle, force=True)
                ended |= self._again(running, PREEMPTED)
        self.running = [running for running in self.running if running.keys[0] not in ended]
        for running in (handles[handle] for handle in ready):
            if running.keys[0] in ended:
                running.end_signs()
        return ended

    def _result(self, running: _Running) -> dict[str, str | None]:
        """How a task has ended; nothing if it is begun again."""
        try:
            return self.ray.get(running.handle)
        except self.ray.exceptions.OutOfMemoryError as error:
            return self._again(running, f'{OUT_OF_MEMORY}: {_line(error)}')
        except self.ray.exceptions.RayTaskError as error:  # the launcher on the node raised it
            return dict.fromkeys(running.keys, _line(error))
        except self.ray.exceptions.RayError:  # its worker or its node is gone
            return self._again(running, PREEMPTED)

    def _again(self, running: _Running, complaint: str) -> dict[str, str | None]:
        if running.tries >= self.settings.tries:
            return dict.fromkeys(running.keys, complaint)
        self._begin(running)
        return {}

    def _is_lost(self, running: _Running) -> bool:
        """Whether a stage that has begun has given no sign of life for too long; one that waits for room gives none."""
        assert running.beat is not None
        sign, now = read_json(running.beat), time.monotonic()
        if sign != running.sign:
            running.sign, running.seen = sign, now
        return running.seen is not None and now - running.seen > self.settings.lost

    def call(self, function: Callable[[], Any]) -> Any:
        """The result of a function in a process like a stage's.

        Raises:
            RuntimeError: The process ended before the function returned.
        """
        handle = self._call(on_node.call, (function, self.surroundings), 'a call', alone=False)
        try:
            return self.ray.get(handle)
        except self.ray.exceptions.RayError as error:
            raise RuntimeError(_line(error)) from error

    def cancel_all(self) -> None:
        """End all stages at once; a cluster that was started for this run ends with this process."""
        for running in self.running:
            self.ray.cancel(running.handle, force=True)
        if self.running:
            handles = [running.handle for running in self.running]
            self.ray.wait(handles, num_returns=len(handles), timeout=CANCEL_S, fetch_local=False)
        for running in self.running:
            running.end_signs()
        self.running.clear()


def _connect(ray: ModuleType, address: str | None) -> None:
    if ray.is_initialized():
        return
    here = dict(include_dashboard=False, _node_ip_address=LOOPBACK) if address is None else {}
    try:
        with _handler_of_sigterm_kept():
            ray.init(address=address or 'local', log_to_driver=False, logging_level='ERROR', **here)
    except Exception as error:  # ray raises what the network, the cluster's version or its own start gives
        raise BadInput(
            f'--launcher ray cannot reach the cluster {address or "on this machine"}: {_line(error)}'
        ) from error


@contextmanager
def _handler_of_sigterm_kept() -> Iterator[None]:
    """Undo that ray, when it starts, replaces the program's handler of SIGTERM by one that exits without a word."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _line(error: BaseException) -> str:
    """The last line of what ray says of an error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:500]
