"""Runs one stage in a process of its own, and stores its result."""

import contextlib
import errno
import importlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TextIO

from benchmarks.files import is_full_disk
from benchmarks.kinds import BY_NAME, WITH_MAPS
from benchmarks.probes.host_memory import limit_of_process_mib
from benchmarks.stacks.contained import contained
from benchmarks.stages.descendants import descendants, kill_all
from benchmarks.stages.freed_memory import keep_freed_memory
from benchmarks.stages.huge_pages import ordinary_pages
from benchmarks.stages.outcome import classify
from benchmarks.stages.parents import by_role
from benchmarks.stages.progress import FILE, say_waiting
from benchmarks.store.leases import LostLease
from benchmarks.store.store import MAPS, Damaged, Store

LOG = 'log.txt'
LEFT_TO_THE_DRIVER_S = 5.0
MUST_RETURN = 'a part of a config must return, or raise an error'
EXIT_DAMAGED_PARENT = 3  # a parent's stored result was damaged or is gone; it must be computed again
EXIT_KEPT_EARLIER = 6  # it should replace a good result, and failed
EXIT_DISK_FULL = 7  # there was no room even for its failure, so nothing is stored
EXIT_LOST_LEASE = 8  # another host has taken the stage over, because this process was stopped for too long
EXIT_OVER_QUOTA = 9  # as EXIT_DISK_FULL, but it is the user's quota of the disk that has no room
EXIT_FAILED_ON_SHARED_GPU = 5  # perhaps for want of memory that stages beside it had; nothing is stored


@dataclass(frozen=True)
class Task:
    """All that a process needs to run a stage; plain values only, so that it can be sent anywhere.

    Args:
        kind: The stage's kind: the name of its module in :mod:`benchmarks.stages`.
        key: The stage's key.
        label: The name of the stage for people.
        config: The resolved config.
        parents: (kind, key) of the stages whose results it reads.
        ingredients: The named parts of the key.
        store: Root of the store.
        device: ``cpu`` or ``cuda``.
        rerun_failures: Whether to run it although a failure is stored under the key.
        again: Whether to run it although a good result is stored, which stays until the new one replaces it.
        maps_needed: Whether other stages need its maps, so that a stored result without them does not count.
        alone: Whether nothing else of this work dir may run beside it.
        shares_gpu: Whether other stages may run beside it on its GPU; a failure is then not stored.
        options: Further arguments of the kind's ``run``; they change what is stored, but no number.
    """

    kind: str
    key: str
    label: str
    config: dict
    parents: tuple[tuple[str, str], ...]
    ingredients: dict
    store: str
    device: str
    rerun_failures: bool = False
    again: bool = False
    maps_needed: bool = False
    alone: bool = False
    shares_gpu: bool = False
    options: dict = field(default_factory=dict)


def run_task(task: Task) -> None:
    """Run a stage unless its result is there, and store its result; a failure is a result, too."""
    ignore_interrupts()
    die_with_parent()
    # Only for trainings, whose steps have one size; inference has images of any size, and is measured as users run it.
    if task.kind == 'train':
        keep_freed_memory()
    elif task.alone:
        ordinary_pages()
    with full_disk_told(), lost_lease_told() as lost:
        store = Store(Path(task.store))
        with store.writing(task.key, lost=lost) as folder, its_turn(store, task, [folder]):
            if is_done(store, task, folder):
                return
            usable = parents_usable(store, task) and _work(store, task, folder)
    if not usable:
        # Only now, with no lock held: the driver that recomputes a parent may be waiting for the machine.
        discard_damaged_parents(store, task)
        sys.exit(EXIT_DAMAGED_PARENT)


@contextlib.contextmanager
def full_disk_told() -> Iterator[None]:
    """End the process with a status of its own if the disk, or its quota, is too full to store anything."""
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        sys.exit(EXIT_OVER_QUOTA if error.errno == errno.EDQUOT else EXIT_DISK_FULL)


@contextlib.contextmanager
def lost_lease_told() -> Iterator[Callable[[], None]]:
    """End the process with a status of its own if another one has taken its stage over.

    Yields:
        Ends it at once, from any thread, so that nothing is computed in vain.
    """
    end = os._exit  # as it is now: a stage's code may be kept from calling it
    try:
        yield lambda: end(EXIT_LOST_LEASE)
    except LostLease:
        sys.exit(EXIT_LOST_LEASE)


@contextlib.contextmanager
def its_turn(store: Store, task: Task, folders: Sequence[Path], more: int = 0) -> Iterator[None]:
    """Hold the machine for a task, and say in the working folders for whom it waits.

    Args:
        store: The store.
        task: The task.
        folders: The working folders of all tasks that this process runs.
        more: The number of further tasks.
    """

    def tell(text: str) -> None:
        for folder in folders:
            say_waiting(folder, text)

    stage = f'{task.kind} {task.label}' + (f' and {more} more' if more else '')
    with store.machine(alone=task.alone, stage=stage, tell=tell):
        for folder in folders:
            (folder / FILE).unlink(missing_ok=True)
        yield


def is_done(store: Store, task: Task, folder: Path) -> bool:
    """Whether the store has the result; another driver may have computed it while this process waited for the lock.

    A damaged one is set aside, through the working folder of this process, which holds its key.
    """
    try:
        result = store.get(task.kind, task.key)
    except Damaged as error:
        store.set_aside(task.kind, task.key, folder, str(error))
        return False
    if result is None:
        return False
    if task.again:
        return False
    if not result.ok:
        return not task.rerun_failures
    return result.whole or not task.maps_needed


def ignore_interrupts() -> None:
    """Leave Ctrl-C, and what else stops a run, to the driver, which ends its stages in order.

    A scheduler sends SIGTERM, and a terminal that closes SIGHUP, to all processes of a job at once. A stage that ended
    before its driver would count as failed. If the driver does not end it soon, the signal was meant for the stage.
    A process that another program has started, such as a queue's, keeps its signals but Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent_process() is None:
        return
    stops = (signal.SIGTERM, signal.SIGHUP)

    def end_soon(number: int, frame: FrameType | None, end: Callable[[int], object] = os._exit) -> None:
        timer = threading.Timer(LEFT_TO_THE_DRIVER_S, end, [128 + number])  # as a shell tells the end by a signal
        timer.daemon = True
        timer.start()

    for number in stops:
        signal.signal(number, end_soon)
    # SIGTERM ends the processes of a pool, or of a data loader, that a stage forks.
    os.register_at_fork(after_in_child=lambda: [signal.signal(number, signal.SIG_DFL) for number in stops])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stops)


def parents_usable(store: Store, task: Task) -> bool:
    """Whether all results that this stage will read match their checksums, and have maps if it reads these."""
    try:
        parents = [store.get(kind, key, verify=True) for kind, key in task.parents]
    except Damaged:
        return False
    return all(
        parent is not None and parent.ok and (parent.whole or not BY_NAME[task.kind].reads_maps) for parent in parents
    )


def discard_damaged_parents(store: Store, task: Task) -> None:
    """Delete those of a task's parents that are damaged."""
    for kind, key in task.parents:
        try:
            store.get(kind, key, verify=True)
        except Damaged:
            store.discard_damaged(kind, key)


def _work(store: Store, task: Task, folder: Path) -> bool:
    """Run and store; False, and nothing stored, if it failed because a parent was discarded while it ran."""
    parents = _parents_seen(store, task)
    status, reason, facts = _logged_attempt(store, task, folder)
    if status != 'ok' and parents != _parents_seen(store, task):
        return False
    if status != 'ok' and task.again and _has_good_result(store, task):
        sys.exit(EXIT_KEPT_EARLIER)
    if status in ('out_of_memory', 'failed') and task.shares_gpu:  # CUDA's libraries report want of memory in many ways
        sys.exit(EXIT_FAILED_ON_SHARED_GPU)
    (folder / FILE).unlink(missing_ok=True)
    commit(store, task, folder, status, reason, facts)
    return True


def _has_good_result(store: Store, task: Task) -> bool:
    try:
        result = store.get(task.kind, task.key)
    except Damaged:
        return False
    return result is not None and result.ok


def _parents_seen(store: Store, task: Task) -> list:
    """A value that changes when a parent's result is replaced, discarded or stripped of its maps."""
    return [(store.identity(kind, key), store.has_maps(kind, key)) for kind, key in task.parents]


def _logged_attempt(store: Store, task: Task, folder: Path) -> tuple[str, str | None, dict]:
    """Run the stage and log its output; a log that cannot be written (a full disk) hides no outcome."""
    outcome: tuple[str, str | None, dict] | None = None
    try:
        with open(folder / LOG, 'w', buffering=1) as log, captured(log):
            start = time.perf_counter()
            outcome = _attempt(store, task, folder)
            print(f'{task.kind} {task.label}: {outcome[0]} after {time.perf_counter() - start:.1f} s')
    except OSError as error:
        return outcome or (*classify(error), {})
    return outcome


def commit(store: Store, task: Task, folder: Path, status: str, reason: str | None, facts: dict) -> None:
    """Store the result of a task; if its files cannot be written, a failure that says so."""

    def store_result(facts: dict, whole: bool) -> None:
        store.commit(
            task.kind,
            task.key,
            folder,
            status=status,
            reason=reason,
            facts=facts,
            ingredients=task.ingredients,
            label=task.label,
            whole=whole,
        )

    try:
        store_result(facts, whole=status != 'ok' or _has_all_maps(task, folder))
    except OSError as error:  # most often a full disk: the failure takes the space of the files
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        if status == 'ok':
            status, reason = classify(error)
        store_result({}, whole=True)


def _has_all_maps(task: Task, folder: Path) -> bool:
    """False for a stage that would leave maps, but was allowed too few bytes for them."""
    return task.kind not in WITH_MAPS or (folder / MAPS).is_dir()


def _state_kept() -> contextlib.AbstractContextManager:
    """The check of what a stage leaves of its process's state; none where the stages do without torch.

    The server that forks the processes of stages has imported torch (``benchmarks.run.preloaded``); a driver has not.
    """
    if 'torch' not in sys.modules:
        return contextlib.nullcontext()
    from benchmarks.stages.kept_state import state_kept

    return state_kept()


def _attempt(store: Store, task: Task, folder: Path) -> tuple[str, str | None, dict]:
    try:
        with contained(MUST_RETURN), _state_kept():
            import_plugins(task)
            run = stage_module(task).run
            facts = run(task.config, folder, parent_folders(store, task), task.device, **task.options)
        return 'ok', None, checked_facts(task.kind, facts)
    except Exception as error:
        with contextlib.suppress(OSError):
            traceback.print_exc()
        status, reason = classify(error)
        return status, _with_limit(reason) if status == 'out_of_memory' and task.device == 'cpu' else reason, {}
    finally:
        drop_run_folder(folder)


def _with_limit(reason: str) -> str:
    """The reason of a stage that lacked memory, with the memory that it may use; CUDA's own reasons name it."""
    limit = limit_of_process_mib()
    return reason if limit is None else f'{reason} (the process may use {limit:.0f} MiB)'


def checked_facts(kind: str, facts: Any) -> dict:
    """The facts that a stage has returned, if the store can keep them.

    Raises:
        TypeError: They are no dict of plain JSON values.
    """
    place, cure = f'run() of benchmarks/stages/{kind}.py', 'return a dict of plain JSON values'
    if not isinstance(facts, dict):
        raise TypeError(f'{place} returned {facts!r}; {cure}')
    try:
        json.dumps(facts)
    except TypeError as error:
        raise TypeError(f'{place} returned facts that are no JSON ({error}); {cure}') from error
    return facts


def import_plugins(task: Task) -> None:
    """Import the modules that a task's config names."""
    for module in (task.config.get('custom_imports') or {}).get('imports', []):
        importlib.import_module(module)


def stage_module(task: Task) -> ModuleType:
    """The module that runs stages of the task's kind."""
    return importlib.import_module(f'benchmarks.stages.{task.kind}')


def parent_folders(store: Store, task: Task) -> dict[str, Path]:
    """The results that a task reads, by role."""
    return by_role([(kind, store.folder(kind, key)) for kind, key in task.parents])


def options_together(tasks: Sequence[Task]) -> dict[str, list]:
    """The options of stages of one kind, by name: a list with the value of each stage."""
    return {name: [task.options[name] for task in tasks] for name in tasks[0].options}


def drop_run_folder(folder: Path) -> None:
    """Delete mmengine's own logs and dumps: the log and the manifest hold the same."""
    shutil.rmtree(folder / 'run', ignore_errors=True)


@contextlib.contextmanager
def captured(log: TextIO) -> Iterator[None]:
    """Send all output of this process, that of compiled code included, to ``log``."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        for descriptor, target in zip(saved, (1, 2)):
            os.dup2(descriptor, target)
            os.close(descriptor)


def die_with_parent() -> None:
    """End this process when its driver ends: a stage whose driver was killed must not keep its key's lock."""
    parent = parent_process()
    if parent is None:
        return

    def watch(end: Callable[[int], object] = os._exit) -> None:  # that of now: a stage's code is kept from calling it
        wait([parent.sentinel])
        kill_all(descendants(os.getpid()))
        end(1)

    threading.Thread(target=watch, daemon=True).start()
