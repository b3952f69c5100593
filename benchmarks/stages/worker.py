"""Runs one stage in a process of its own, and stores what comes of it."""

import contextlib
import importlib
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType

from benchmarks.stages.freed_memory import keep_freed_memory
from benchmarks.stages.outcome import classify
from benchmarks.stages.parents import by_role
from benchmarks.store.store import MAPS, Damaged, Store

LOG = 'log.txt'
DAMAGED_PARENT = 3  # exit status: a parent's stored result was damaged or is gone; it must be computed again
CROWDED = 5  # exit status: it failed, perhaps for want of memory that others beside it had; nothing is stored


@dataclass(frozen=True)
class Task:
    """All that a process needs to run a stage; plain values only, so that it can be sent anywhere.

    Args:
        kind: The stage's kind: the module of that name in :mod:`benchmarks.stages`.
        key: Its key.
        label: Which cell asks for it.
        config: The resolved config.
        parents: (kind, key) of stages to read.
        ingredients: What the key is made of.
        store: Root of the store.
        device: ``cpu`` or ``cuda``.
        again: Run even if a failure is stored under the key.
        is_read: Whether another stage is to read its result, so that a stored one without its maps does not do.
        alone: Whether nothing else of this work dir may run beside it.
        packed: Whether others may run beside it on its GPU: a failure is then no result of it.
        options: Further arguments of the stage's ``run``, which say how it stores what it computes.
    """

    kind: str
    key: str
    label: str
    config: dict
    parents: tuple[tuple[str, str], ...]
    ingredients: dict
    store: str
    device: str
    again: bool = False
    is_read: bool = False
    alone: bool = False
    packed: bool = False
    options: dict = field(default_factory=dict)


def run_task(task: Task) -> None:
    """Run a stage unless its result is there, and store its result, be it a failure."""
    deaf_to_interrupts()
    die_with_parent()
    if task.kind == 'train':  # its steps are alike; inference has images of any size, and is measured as others run it
        keep_freed_memory()
    store = Store(Path(task.store))
    with store.writing(task.key) as folder, store.machine(alone=task.alone):
        if is_done(store, task):
            return
        usable = parents_usable(store, task) and _work(store, task, folder)
    if not usable:
        # Only now, with no lock held: who computes a parent anew may be waiting for the machine.
        discard_damaged_parents(store, task)
        sys.exit(DAMAGED_PARENT)


def is_done(store: Store, task: Task) -> bool:
    """Another driver may have computed the key while this one waited for its lock."""
    try:
        result = store.get(task.kind, task.key)
    except Damaged:
        return False
    if result is None:
        return False
    return result.whole or not task.is_read if result.ok else not task.again


def deaf_to_interrupts() -> None:
    """Ctrl-C is the driver's to handle; it ends its stages in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def parents_usable(store: Store, task: Task) -> bool:
    """Compare what this stage will read with its checksums."""
    try:
        parents = [store.get(kind, key, verify=True) for kind, key in task.parents]
    except Damaged:
        return False
    return all(parent is not None and parent.ok and parent.whole for parent in parents)


def discard_damaged_parents(store: Store, task: Task) -> None:
    """Forget those of a task's parents that are damaged."""
    for kind, key in task.parents:
        try:
            store.get(kind, key, verify=True)
        except Damaged:
            store.discard_damaged(kind, key)


def _work(store: Store, task: Task, folder: Path) -> bool:
    """Run and store; False, and nothing stored, when it failed because a parent was discarded under its hands."""
    parents = _parents_seen(store, task)
    status, reason, facts = _logged_attempt(store, task, folder)
    if status != 'ok' and parents != _parents_seen(store, task):
        return False
    if status in ('out_of_memory', 'failed') and task.packed:  # CUDA's libraries have many words for want of memory
        sys.exit(CROWDED)
    (folder / 'progress.json').unlink(missing_ok=True)
    commit(store, task, folder, status, reason, facts)
    return True


def _parents_seen(store: Store, task: Task) -> list:
    """Differs when what a task reads has been replaced, discarded or stripped of its maps."""
    return [(store.identity(kind, key), store.has_maps(kind, key)) for kind, key in task.parents]


def _logged_attempt(store: Store, task: Task, folder: Path) -> tuple[str, str | None, dict]:
    """Run the stage, with what it prints in its log; a log that cannot be written (a full disk) hides no outcome."""
    outcome = None
    try:
        with open(folder / LOG, 'w', buffering=1) as log, captured(log):
            start = time.perf_counter()
            outcome = _attempt(store, task, folder)
            print(f'{task.kind} {task.label}: {outcome[0]} after {time.perf_counter() - start:.1f} s')
    except OSError as error:
        outcome = outcome or (*classify(error), {})
    return outcome


def commit(store: Store, task: Task, folder: Path, status: str, reason: str | None, facts: dict) -> None:
    """Store what came of a task; where that cannot be written, the news of it."""
    origin = dict(ingredients=task.ingredients, label=task.label)
    try:
        left_out = task.options.get('room') is not None and not (folder / MAPS).is_dir()
        store.commit(
            task.kind, task.key, folder, status=status, reason=reason, facts=facts, whole=not left_out, **origin
        )
    except OSError as error:  # most often a full disk: what the stage has written makes room for the news of it
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if status == 'ok':
            status, reason = classify(error)
        store.commit(task.kind, task.key, folder, status=status, reason=reason, facts={}, **origin)


def _attempt(store: Store, task: Task, folder: Path) -> tuple[str, str | None, dict]:
    try:
        import_plugins(task)
        facts = stage_module(task).run(task.config, folder, parent_folders(store, task), task.device, **task.options)
        return 'ok', None, facts
    except Exception as error:
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return *classify(error), {}
    finally:
        drop_run_folder(folder)


def import_plugins(task: Task) -> None:
    """Import what a task's config asks for."""
    for module in (task.config.get('custom_imports') or {}).get('imports', []):
        importlib.import_module(module)


def stage_module(task: Task) -> ModuleType:
    """The module that runs stages of the task's kind."""
    return importlib.import_module(f'benchmarks.stages.{task.kind}')


def parent_folders(store: Store, task: Task) -> dict[str, Path]:
    """What a task reads, by role."""
    return by_role([(kind, store.folder(kind, key)) for kind, key in task.parents])


def options_together(tasks: Sequence[Task]) -> dict[str, list]:
    """The options of stages of one kind, by name: a value for each."""
    return {name: [task.options[name] for task in tasks] for name in tasks[0].options}


def drop_run_folder(folder: Path) -> None:
    """mmengine's own logs and dumps: what they say is in the log and the manifest."""
    shutil.rmtree(folder / 'run', ignore_errors=True)


@contextlib.contextmanager
def captured(log):
    """Send everything that this process prints, compiled code included, to ``log``."""
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
    """A stage whose driver was killed must not go on and hold its key's lock."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
