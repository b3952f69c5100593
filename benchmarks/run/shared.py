"""A launcher whose stages are shared with drivers on other hosts, which have work dirs of their own.

Before a stage starts, its result is looked for in the remote place, and brought down. If there is none, the stage runs
here under a lease, and its result is taken up. Nodes and stages know nothing of this: all of it is done by threads of
the driver. A stage comes out of :meth:`SharedLauncher.poll` when its result is taken up.

Where the place cannot be reached, stages run without a lease. Their results stay in the local store, and are taken up
when the place can be reached again, or by the next run (:mod:`benchmarks.session.remote`).
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.kinds import BY_NAME, WITH_MAPS
from benchmarks.run.contract import ELSEWHERE, Launcher
from benchmarks.stages.worker import Task, is_done
from benchmarks.store.damaged import note_damage
from benchmarks.store.leases import LostLease
from benchmarks.store.remote.entries import Entries
from benchmarks.store.remote.leases import RemoteLeases
from benchmarks.store.remote.place import RemotePlace, Unreachable, cause
from benchmarks.store.result import Damaged
from benchmarks.store.store import Store

SHARED = ('ok', 'diverged')  # other failures may come from this host, such as want of memory
AWAY_S = 30.0  # for so long a place that could not be reached is left alone
CLOSE_S = 2.0  # for so long the end of a run waits until leases are given back
AT_ONCE = 8  # stages that are brought down or taken up


class SharedLauncher:
    """Starts, polls and cancels the stages of one run; a :class:`benchmarks.run.contract.Launcher`.

    Args:
        launcher: Runs the stages.
        store: The local store.
        place: The remote place.
        exclusive: Whether of several processes one alone can make a file there; otherwise stages have no leases.
    """

    def __init__(self, launcher: Launcher, store: Store, place: RemotePlace, *, exclusive: bool) -> None:
        self.launcher, self.store, self.place = launcher, store, place
        self.timeout_s = launcher.timeout_s
        self.entries = Entries(place, exclusive=exclusive)
        self.leases = RemoteLeases(place, exclusive=exclusive)
        self.tell: Callable[[str], Any] = print  # lines for the user
        self._tasks: dict[str, Task] = {}
        self._ready: queue.SimpleQueue[Sequence[Task]] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
        self._unusable: set[str] = set()  # keys whose remote result is to be replaced
        self._unsettled: dict[str, str | None] = {}  # how stages ended, by key, of which the place does not know yet
        self._away_until, self._told = 0.0, False
        self._at_once = threading.BoundedSemaphore(AT_ONCE)

    def submit(self, *tasks: Task) -> None:
        """Look for the results of stages; those that are nowhere start at a later :meth:`poll`, as one process."""
        for task in tasks:
            self._tasks[task.key] = task
            self._unsettled.pop(task.key, None)
        self._in_background(self._prepare, tasks)

    def poll(self) -> dict[str, str | None]:
        """The stages that have ended since the last call; those of one process may come out one by one."""
        for tasks in _drained(self._ready):
            self.launcher.submit(*tasks)
        for key, complaint in self.launcher.poll().items():
            self._in_background(self._finish, self._tasks[key], complaint)
        for key in () if self._is_away() else list(self._unsettled):
            self._in_background(self._settle, self._tasks[key], self._unsettled.pop(key))
        return dict(_drained(self._ended))

    def call(self, function: Callable[[], Any]) -> Any:
        """See the launcher that runs the stages."""
        return self.launcher.call(function)

    def cancel_all(self) -> None:
        """End all running stages, and give their leases back, so that other drivers take the stages over at once."""
        self.launcher.cancel_all()
        thread = threading.Thread(target=self.leases.close, daemon=True)
        thread.start()
        thread.join(CLOSE_S)

    def warm_up(self) -> None:
        """See the launcher that runs the stages."""
        self.launcher.warm_up()

    def _in_background(self, work: Callable, *arguments: Any) -> None:
        def run() -> None:
            with self._at_once:
                work(*arguments)

        threading.Thread(target=run, daemon=True, name='remote store').start()

    def _prepare(self, tasks: Sequence[Task]) -> None:
        how: dict[str, str | None]
        try:  # all drivers take leases in the same order, and none waits for one
            how = {task.key: self._prepared(task) for task in sorted(tasks, key=lambda task: task.key)}
        except Exception as error:  # a stage must come out, whatever happens
            how = {task.key: f'{self.place.url}: {cause(error)}' for task in tasks}
        if wanted := [task for task in tasks if how[task.key] == '']:
            self._ready.put(wanted)
        for key, ended in how.items():
            if ended != '':
                self._ended.put((key, ended))

    def _prepared(self, task: Task) -> str | None:
        """How a stage that need not run has ended: None with a result, or ``ELSEWHERE``; empty if it has to run."""
        if self._is_away():
            return ''
        try:
            if self._bring(task, name=False):
                return None
            if not self.leases.take(task.key):
                return ELSEWHERE
            if self._bring(task, name=True):  # another driver has taken it up meanwhile
                self.leases.leave(task.key)
                return None
            if self.entries.has(task.kind, task.key):
                self._unusable.add(task.key)
            self._bring_maps_read_by(task)
        except Unreachable as error:
            self._lose(error)
        except (OSError, LostLease):  # of the local store: the stage meets it, too, and says so
            pass
        return ''

    def _bring(self, task: Task, *, name: bool) -> bool:
        """Bring a result down to the local store, unless it is there; False if there is none that counts.

        Maps come only where a stage computed here has missed them: those that read them may come down themselves.

        Args:
            task: The stage.
            name: Whether a damaged result is named. Without the stage's lease it may be one that is being replaced.
        """
        if task.again or not self.entries.has(task.kind, task.key):
            return False
        with self.store.writing(task.key) as folder:
            if is_done(self.store, task, folder):
                return True
            maps = task.maps_needed and self.store.identity(task.kind, task.key) is not None
            try:
                return self._fetch(task.kind, task.key, folder, maps=maps, but_failures=task.rerun_failures)
            except Damaged as error:
                if name:
                    note_damage(self.store.root, task.kind, task.key, str(error))
                    self.tell(f'{task.kind:8}{task.label}: {error}; it is computed again')
                return False

    def _bring_maps_read_by(self, task: Task) -> None:
        """Bring the maps down that a stage is about to read. Where they are nowhere, the stage has them made again."""
        if not BY_NAME[task.kind].reads_maps:
            return
        for kind, key in task.parents:
            if kind in WITH_MAPS and not self.store.has_maps(kind, key):
                with suppress(Damaged), self.store.writing(key) as folder:
                    if not self.store.has_maps(kind, key):  # another stage may have fetched them meanwhile
                        self._fetch(kind, key, folder, maps=True)

    def _fetch(self, kind: str, key: str, folder: Path, *, maps: bool, but_failures: bool = False) -> bool:
        """Bring a result down through a working folder; False if there is none, or a failure that does not count."""
        found = self.entries.fetch(kind, key, folder, maps=maps)
        if found is None or (but_failures and not found.ok):
            return False
        self.store.commit(
            kind,
            key,
            folder,
            status=found.status,
            reason=found.reason,
            facts=found.facts,
            ingredients=found.ingredients,
            label=found.label,
            whole=found.whole,
        )
        return True

    def _finish(self, task: Task, complaint: str | None) -> None:
        """Settle a stage whose process has ended, and let it come out."""
        try:
            self._settle(task, complaint)
        except Exception as error:  # its result is good, whatever happens
            self.tell(f'{self.place.url}: {cause(error)}')
        self._ended.put((task.key, complaint))

    def _settle(self, task: Task, complaint: str | None) -> None:
        """Take the result of a stage up, and give its lease back; later, if the place cannot be reached."""
        try:
            if complaint is None:
                replace = task.key in self._unusable and (not self.leases.exclusive or self.leases.holds(task.key))
                send(self.store, self.entries, task.kind, task.key, replace=replace)
            self.leases.leave(task.key)
            self._told = False
        except Unreachable as error:
            self._unsettled[task.key] = complaint
            self._lose(error)

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _lose(self, error: Unreachable) -> None:
        """Leave the place alone for a while, and say so once for each time that it cannot be reached."""
        self._away_until = time.monotonic() + AWAY_S
        if not self._told:
            self._told = True
            self.tell(
                f'{error}. The run goes on; its results stay in {self.store.root}, and are taken up when the place can '
                'be reached again, or when the same command is run again'
            )


def send(store: Store, entries: Entries, kind: str, key: str, *, replace: bool = False) -> None:
    """Take a result of the local store up, if it is one to share.

    Raises:
        Unreachable: The place cannot be read or written.
    """
    try:
        with store.writing(key):  # so that its maps are not dropped meanwhile
            result = store.get(kind, key)
            if result is not None and result.status in SHARED:
                entries.publish(kind, key, result.folder, replace=replace)
    except (Damaged, OSError, LostLease):  # of the local store: it stays here, where its next reader meets the damage
        return


def _drained(events: queue.SimpleQueue) -> Iterator[Any]:
    while True:
        try:
            yield events.get_nowait()
        except queue.Empty:
            return
