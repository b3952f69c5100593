"""Content-addressed results on disk: atomic, checksummed, one writer per key; shared by all grids of a work dir.

    <root>/<stage>/<key>/manifest.json   written last; names every other file with its size and sha256
    <root>/<stage>/<key>/…               the files of the stage
    <root>/running/<key>-<holder>.lease  touched by the process that computes the key, while it does
    <root>/running/<key>-<holder>/       the working folder of that process; renamed into place when it is complete
    <root>/running/<key>.claim-<holder>.lease  touched by the driver that has started this process, or is about to
    <root>/drivers/<holder>.json         the keys that a living driver reads or computes; touched while it runs
    <root>/locks/collecting-…            the lease of a process that removes results, or of a driver that begins
    <root>/machine/<kernel>/             the processes that have one machine, or wait for it
    <root>/damaged/<stage>-<key>/        a result that was found damaged (benchmarks/store/damaged.py)
    <root>/outputs/<digest>.json         an output folder whose records refer to results here, and its last plan's keys

A holder is a process of a host, named after both (:mod:`benchmarks.store.holder`).

A kill at any instant leaves files under ``running/`` and nothing else. The lease falls with its process, or when its
host is silent for too long, and the next run removes the folders whose lease is free (:mod:`benchmarks.store.leases`).
A process that was stopped, and has lost its lease meanwhile, can neither store a result nor remove one. A failure is a
result, too: its manifest has a status other than ``ok``.

The maps of a prediction, its folder ``maps``, are far larger than all its other files and may be dropped. The folder
goes as a whole, by a rename; the manifest still names its files. A file that is missing in a folder ``maps`` is damage.
A result without that folder is sound, but not whole.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Container, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.store.damaged import FOLDER as DAMAGED_FOLDER
from benchmarks.store.damaged import set_aside
from benchmarks.store.drivers import Drivers
from benchmarks.store.leases import Leases, LostLease, left_in, refuse_lost
from benchmarks.store.machine import Machine, clear_notes
from benchmarks.store.observer import Observer
from benchmarks.store.old_layout import clear_old_working_folder, is_old_working_folder
from benchmarks.store.outputs import Outputs
from benchmarks.store.result import (
    MANIFEST,
    MAPS,
    Damaged,
    Result,
    read_manifest,
    refuse_damaged_file,
    result_of,
    write_manifest,
)

REPLACED = '.replaced'  # follows the name of a working folder: the earlier result, until the new one is in its place
REMOVED = 'removed'  # in a working folder: a result that is being deleted
LOOK_S = 1.0  # between two looks for signs of life
OWN_FOLDERS = ('locks', 'running', 'drivers', 'outputs', 'machine', DAMAGED_FOLDER)
TABLES = ('.csv', '.json')  # small files, which the records are made from


class Store:
    """The results of all stages under one folder.

    Args:
        root: Created when missing.

    Attributes:
        leases: A lease for each key.
        drivers: The runs that use the store at this moment.
        outputs: The output folders whose records refer to its results.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._running = self.root / 'running'
        observer = Observer()
        self.leases = Leases(self._running, observer)
        self.drivers = Drivers(self.root / 'drivers', Leases(self.root / 'locks', observer), observer)
        self.outputs = Outputs(self.root / 'outputs', beside=self.root.parent)

    @classmethod
    def in_work_dir(cls, work_dir: Path) -> 'Store':
        """The store of a work dir."""
        return cls(Path(work_dir) / 'store')

    # Results

    def folder(self, stage: str, key: str) -> Path:
        """The folder of this key's result, present or future."""
        return self.root / stage / key

    def get(self, stage: str, key: str, *, verify: bool = False) -> Result | None:
        """The stored result, or None when there is none.

        Args:
            stage: Kind of stage.
            key: Its key.
            verify: Compare each file's sha256; otherwise the size alone, and the sha256 of tables, from which the
                records are made.

        Raises:
            Damaged: The manifest is torn, or a file is missing, truncated or (with ``verify``) altered.
                Maps that were dropped are no damage.
        """
        folder = self.folder(stage, key)
        manifest = read_manifest(folder)
        if manifest is None:
            return None
        whole = manifest.get('whole', True)
        for name, (size, checksum) in manifest['files'].items():
            try:
                refuse_damaged_file(folder / name, size, checksum if verify or name.endswith(TABLES) else None)
            except FileNotFoundError as error:  # or another process has just discarded the result
                if not name.startswith(f'{MAPS}/') or self.has_maps(stage, key) or not folder.is_dir():
                    raise Damaged(f'{folder / name} is missing') from error
                whole = False
        return result_of(folder, manifest, whole=whole)

    def stored(self, stage: str, among: Set[str] | None = None, but: Container[str] = frozenset()) -> Iterator[Result]:
        """The results of one kind of stage, the newest first, read one by one from their manifests alone.

        Args:
            stage: The kind of stage.
            among: The keys of the results that count; by default all do.
            but: The keys of those that do not.
        """
        dated = []
        folder = self.root / stage
        for key in os.listdir(folder) if folder.is_dir() else ():
            if (among is None or key in among) and key not in but:
                with suppress(FileNotFoundError, NotADirectoryError):  # another driver has just discarded it
                    dated.append(((folder / key / MANIFEST).stat().st_mtime_ns, key))
        dated.sort(key=lambda item: -item[0])
        for _, key in dated:
            with suppress(FileNotFoundError, ValueError, TypeError, KeyError):  # as above, or it is torn or altered
                yield result_of(folder / key, json.loads((folder / key / MANIFEST).read_text()))

    def newest(
        self, stage: str, labels: Container[str], *, among: Set[str] | None = None, but: Container[str] = frozenset()
    ) -> dict[str, Result]:
        """The newest result of each label. Its ingredients explain why a stage of that label must run again.

        Args:
            stage: The kind of stage.
            labels: The labels.
            among: See :meth:`stored`.
            but: Likewise.
        """
        newest: dict[str, Result] = {}
        for result in self.stored(stage, among, but):
            if result.label in labels:
                newest.setdefault(result.label, result)
        return newest

    def identity(self, stage: str, key: str) -> tuple[int, int] | None:
        """A value that changes when a result is replaced; None when there is no result."""
        try:
            manifest = (self.folder(stage, key) / MANIFEST).stat()
        except FileNotFoundError:
            return None
        return manifest.st_ino, manifest.st_mtime_ns

    def commit(
        self,
        stage: str,
        key: str,
        folder: Path,
        *,
        status: str,
        reason: str | None,
        facts: dict,
        ingredients: Mapping[str, str],
        label: str,
        whole: bool = True,
    ) -> Result:
        """Put a finished folder in its place: checksums, manifest, sync, rename.

        Args:
            stage: Kind of stage.
            key: Its key.
            folder: The folder that :meth:`writing` yields.
            status: See :class:`Result`; so for the arguments below.
            reason: One line for people.
            facts: Measured facts.
            ingredients: The ingredients of the key.
            label: The stage's label.
            whole: False when the stage has left its maps out.

        Raises:
            LostLease: Another process has taken the key over, because this one was silent for too long.
            OSError: The result cannot be stored. The folder and an earlier result stay.
        """
        target = self.folder(stage, key)
        result = Result(target, status, reason, facts, ingredients, label, whole)
        earlier = folder.with_name(folder.name + REPLACED)
        try:
            write_manifest(folder, stage, key, result)
            target.parent.mkdir(parents=True, exist_ok=True)
            refuse_lost(folder)  # it may have been made anew since; from here on its path ends with the lease
            with suppress(FileNotFoundError):
                target.rename(folder / REPLACED)
                (folder / REPLACED).rename(earlier)
            folder.rename(target)
        except OSError as error:
            refuse_lost(folder, error)
            for place in (earlier, folder / REPLACED):
                self._put_back(key, place)
            raise
        shutil.rmtree(earlier, ignore_errors=True)
        return result

    # Removal

    def discard(self, stage: str, key: str) -> None:
        """Delete a result at once, so that no reader sees a part of it. Waits for a process that computes its key."""
        with self._held(key) as place:
            self._discard(stage, key, place)

    def discard_damaged(self, stage: str, key: str) -> None:
        """Set a damaged result aside. If another process is recomputing it, wait and keep the new one."""
        with self._held(key) as place:
            try:
                self.get(stage, key, verify=True)
            except Damaged as error:
                place.mkdir()
                self.set_aside(stage, key, place, str(error))

    def set_aside(self, stage: str, key: str, place: Path, why: str) -> None:
        """Move a damaged result to ``damaged/``.

        Args:
            stage: Its kind of stage.
            key: Its key, whose lease this process holds.
            place: The folder that :meth:`writing` yields: the result leaves through it, and not once the lease is lost.
            why: What is wrong with it.
        """
        try:
            self.folder(stage, key).rename(place / REMOVED)
        except FileNotFoundError as error:  # the lease is lost, or the result has gone meanwhile
            refuse_lost(place, error)
            return
        set_aside(self.root, stage, key, place / REMOVED, why)

    def _discard(self, stage: str, key: str, place: Path) -> None:
        place.mkdir()
        _remove(self.folder(stage, key), place / REMOVED)

    def discard_idle(self, stage: str, key: str, grave: Path) -> bool:
        """Delete a result unless a process is computing its key.

        Args:
            stage: Its kind of stage.
            key: Its key, which no living driver needs.
            grave: The folder that :meth:`Drivers.collecting` yields: it needs no room on a disk that is full.

        Returns:
            Whether it was deleted.
        """
        if self.leases.is_held(key):
            return False
        return _remove(self.folder(stage, key), grave / key)

    def has_maps(self, stage: str, key: str) -> bool:
        """Whether a result's maps are present."""
        return (self.folder(stage, key) / MAPS).is_dir()

    def drop_idle_maps(self, stage: str, key: str, grave: Path) -> bool:
        """Delete the maps of a result unless a process is computing its key.

        A process that is killed here leaves the maps in their place, or out of sight in the grave.

        Args:
            stage: The kind of stage.
            key: Its key, whose maps no living driver needs.
            grave: The folder that :meth:`Drivers.collecting` yields.

        Returns:
            Whether the maps are gone.
        """
        if self.leases.is_held(key):
            return False
        return _remove(self.folder(stage, key) / MAPS, grave / f'{key}-{MAPS}')

    # Stages at work

    @contextmanager
    def writing(self, key: str, *, lost: Callable[[], object] = lambda: None) -> Iterator[Path]:
        """Hold the key's lease, and wait for it while another process holds it.

        Args:
            key: The key.
            lost: Called in another thread when it shows that the lease is lost, so that nothing can be stored.

        Yields:
            An empty folder to work in; it is deleted at the end unless :meth:`commit` has taken it.

        Raises:
            LostLease: Another process has taken the key over, because this one was silent for too long.
        """
        with self._held(key, lost=lost) as folder:
            folder.mkdir()
            yield folder

    @contextmanager
    def _held(self, key: str, *, wait: bool = True, lost: Callable[[], object] = lambda: None) -> Iterator[Path]:
        """Hold the key's lease; a result that was about to be replaced returns to its place."""
        with self.leases.held(key, wait=wait, lost=lost) as place:
            for earlier in (left_in(place) / REPLACED, *self.leases.remains(key, REPLACED)):
                self._put_back(key, earlier)
            try:
                yield place
            except OSError as error:
                refuse_lost(place, error)
                raise

    def try_machine(self) -> None:
        """Take and leave a lock of the kind that stages share the machine by.

        Raises:
            OSError: The file system has none, not even within one host.
        """
        with Machine(self.root / 'machine').locks.held('try', shared=True, wait=False):
            pass

    @contextmanager
    def machine(
        self, *, alone: bool, stage: str = 'a stage', tell: Callable[[str], None] = lambda text: None
    ) -> Iterator[None]:
        """Share the machine with the stages of all drivers of this work dir, or use it alone; see :class:`Machine`."""
        with Machine(self.root / 'machine').held(alone=alone, stage=stage, tell=tell):
            yield

    def at_work(self, key: str, pid: int) -> Path | None:
        """The folder in which a process of this host computes a key; None while it does not hold the key's lease."""
        for folder, holder in self.leases.folders(key):
            if holder.is_here and holder.pid == pid:
                return folder
        return None

    def rescue(self, name: str, folder: Path) -> None:
        """Move a file out of the working folder of a killed process, if there is one.

        Args:
            name: The file's name.
            folder: The folder that :meth:`writing` yields, to move the file to.
        """
        with suppress(FileNotFoundError):
            (left_in(folder) / name).replace(folder / name)

    def progress(self, key: str, *, here: bool = False) -> dict:
        """The last progress that the process computing this key has written; empty if it has written none.

        Args:
            key: The key.
            here: Whether only a process of this host counts.
        """
        for folder, holder in self.leases.folders(key):
            if not here or holder.is_here:
                with suppress(OSError, ValueError):
                    return json.loads((folder / 'progress.json').read_text())
        return {}

    def clear_abandoned(self) -> None:
        """Remove working folders whose process is gone; a result that was about to be replaced returns to its place.

        The notes that killed processes of this machine have left go, too.
        That a process of another host is gone is known only after :meth:`await_signs`, or a while after the first call.
        """
        with suppress(BlockingIOError), self.drivers.collecting(wait=False):
            pass  # a collection that was killed may have left results there
        for folder in filter(is_old_working_folder, self._running.iterdir()):
            clear_old_working_folder(folder, self.root / 'locks', self._put_back)
        for key in self.leases.names():
            self.clear(key)
        clear_notes(self.root / 'machine')

    def clear(self, key: str) -> None:
        """Remove what is left of processes that no longer hold a key's lease, unless another one holds it."""
        with suppress(BlockingIOError, LostLease), self._held(key, wait=False):
            pass

    def await_signs(self, tell: Callable[[str], None]) -> None:
        """Wait until it is known of each holder on another host whether it lives; no longer than for a lease.

        Args:
            tell: Called once with the names of the hosts, if there is one to wait for.
        """
        told = False
        while doubtful := [*self.leases.doubtful(), *self.drivers.doubtful(), *self.drivers.leases.doubtful()]:
            if not told:
                tell(', '.join(sorted({holder.machine for holder in doubtful})))
                told = True
            time.sleep(LOOK_S)

    def _put_back(self, key: str, folder: Path) -> None:
        """Move an earlier result back, unless a new one has taken its place."""
        with suppress(OSError, ValueError, KeyError, TypeError):  # without a sound manifest it is no result
            stage = json.loads((folder / MANIFEST).read_text())['stage']
            folder.rename(self.folder(stage, key))  # fails if a new one is there: a folder that is not empty
        shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path, grave: Path) -> bool:
    """Delete a folder at once: by a rename into a lease's folder, which fails when the lease is lost."""
    with suppress(FileNotFoundError):
        folder.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)
    return not folder.exists()
