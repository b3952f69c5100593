"""Content-addressed results on disk: atomic, checksummed, one writer per key; shared by all grids of a work dir.

    <root>/<stage>/<key>/manifest.json   written last; names every other file with its size and sha256
    <root>/<stage>/<key>/…               the files of the stage
    <root>/locks/<key>                   held (flock) by the process that computes the key
    <root>/running/<key>-<pid>/          the working folder of that process; renamed into place when it is complete
    <root>/drivers/<id>.json             the keys that a living driver reads or computes; held (flock) while it runs
    <root>/machine/<pid>-<id>.json       a process that has the machine, or waits for it; held (flock) while it lives
    <root>/damaged/<stage>-<key>/        a result that was found damaged (benchmarks/store/damaged.py)
    <root>/outputs/<digest>.json         an output folder whose records refer to results here, and its last plan's keys

A kill at any instant leaves a folder under ``running/`` and nothing else. The lock falls with its process, and the next
run removes the folders whose lock is free. A failure is a result, too: its manifest has a status other than ``ok``.

The maps of a prediction, its folder ``maps``, are far larger than all its other files and may be dropped. The folder
goes as a whole, by a rename; the manifest still names its files. A file that is missing in a folder ``maps`` is damage.
A result without that folder is sound, but not whole.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.store.damaged import FOLDER as DAMAGED_FOLDER
from benchmarks.store.damaged import set_aside
from benchmarks.store.drivers import Drivers
from benchmarks.store.locks import Locks
from benchmarks.store.machine import Machine
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

REPLACED = 'replaced'
OWN_FOLDERS = ('locks', 'running', 'drivers', 'outputs', 'machine', DAMAGED_FOLDER)
TABLES = ('.csv', '.json')  # small files, which the records are made from


class Store:
    """The results of all stages under one folder.

    Args:
        root: Created when missing.

    Attributes:
        locks: A lock for each key, and one for the machine.
        drivers: The runs that use the store at this moment.
        outputs: The output folders whose records refer to its results.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._running = self.root / 'running'
        self._running.mkdir(parents=True, exist_ok=True)
        self.locks = Locks(self.root / 'locks')
        self.drivers = Drivers(self.root / 'drivers', self.locks)
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

    def stored(self, stage: str) -> Iterator[Result]:
        """All results of one kind of stage, the newest first, read from their manifests; other files are not read."""
        dated = []
        for path in (self.root / stage).glob(f'*/{MANIFEST}'):
            with suppress(FileNotFoundError, ValueError):  # another driver has just discarded it, or it is torn
                dated.append((path.stat().st_mtime_ns, result_of(path.parent, json.loads(path.read_text()))))
        dated.sort(key=lambda item: -item[0])
        return (result for _, result in dated)

    def newest(self, stage: str, among: Set[str] | None = None) -> dict[str, Result]:
        """The newest result of each label. Its ingredients explain why a stage of that label must run again.

        Args:
            stage: The kind of stage.
            among: The keys of the results that count; by default all do.
        """
        newest: dict[str, Result] = {}
        for result in self.stored(stage):
            if among is None or result.folder.name in among:
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
        ingredients: dict,
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
        """
        target = self.folder(stage, key)
        result = Result(target, status, reason, facts, ingredients, label, whole)
        write_manifest(folder, stage, key, result)
        target.parent.mkdir(parents=True, exist_ok=True)
        earlier = self._running / f'{key}-{REPLACED}-{os.getpid()}'
        shutil.rmtree(earlier, ignore_errors=True)
        with suppress(FileNotFoundError):  # a kill between the renames loses nothing: see clear_abandoned
            target.rename(earlier)
        folder.rename(target)
        shutil.rmtree(earlier, ignore_errors=True)
        return result

    # Removal

    def discard(self, stage: str, key: str) -> None:
        """Delete a result at once, so that no reader sees a part of it. The caller must hold the key's lock."""
        grave = self._running / f'{key}-discarded-{os.getpid()}'
        try:
            self.folder(stage, key).rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)

    def discard_damaged(self, stage: str, key: str) -> None:
        """Set a damaged result aside. If another process is recomputing it, wait and keep the new one."""
        with self.locks.held(key):
            try:
                self.get(stage, key, verify=True)
            except Damaged as error:
                set_aside(self.root, stage, key, str(error))

    def discard_idle(self, stage: str, key: str) -> bool:
        """Delete a result unless a process is computing its key.

        Returns:
            Whether it was deleted.
        """
        with suppress(BlockingIOError), self.locks.held(key, wait=False):
            self.discard(stage, key)
            return True
        return False

    def has_maps(self, stage: str, key: str) -> bool:
        """Whether a result's maps are present."""
        return (self.folder(stage, key) / MAPS).is_dir()

    def drop_idle_maps(self, stage: str, key: str) -> bool:
        """Delete the maps of a result unless a process is computing its key.

        A process that is killed here leaves the maps in their place, or out of sight under ``running/``.

        Returns:
            Whether the maps are gone.
        """
        with suppress(BlockingIOError), self.locks.held(key, wait=False):
            grave = self._running / f'{key}-dropped-{os.getpid()}'
            with suppress(FileNotFoundError):
                (self.folder(stage, key) / MAPS).rename(grave)
            shutil.rmtree(grave, ignore_errors=True)
            return True
        return False

    # Stages at work

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """Hold the key's lock, and wait for it while another process holds it.

        Yields:
            An empty folder to work in; it is deleted at the end unless :meth:`commit` has taken it.
        """
        with self.locks.held(key):
            folder = self.working_folder(key, os.getpid())
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def machine(
        self, *, alone: bool, stage: str = 'a stage', tell: Callable[[str], None] = lambda text: None
    ) -> Iterator[None]:
        """Share the machine with the stages of all drivers of this work dir, or use it alone; see :class:`Machine`."""
        with Machine(self.root / 'machine', self.locks).held(alone=alone, stage=stage, tell=tell):
            yield

    def working_folder(self, key: str, pid: int) -> Path:
        """The folder in which a process computes a key while it holds the key's lock."""
        return self._running / f'{key}-{pid}'

    def rescue(self, key: str, name: str, folder: Path) -> None:
        """Move a file out of the working folder of a killed process, if there is one.

        Args:
            key: The key that the killed process was computing. The caller must hold its lock.
            name: The file's name.
            folder: The folder that :meth:`writing` yields, to move the file to.
        """
        left = [path for path in self._running.glob(f'{key}-[0-9]*/{name}') if path.parent != folder]
        if left:
            max(left, key=lambda path: path.stat().st_mtime_ns).replace(folder / name)

    def progress(self, key: str) -> dict:
        """The last progress that the process computing this key has written; empty if it has written none."""
        dated = []  # a process that was killed while it computed this key has left a file of its own
        for path in self._running.glob(f'{key}-*/progress.json'):
            with suppress(OSError, ValueError):
                dated.append((path.stat().st_mtime_ns, json.loads(path.read_text())))
        return max(dated, key=lambda item: item[0], default=(0, {}))[1]

    def clear_abandoned(self) -> None:
        """Remove working folders whose process is gone; a result that was about to be replaced returns to its place."""
        for folder in self._running.iterdir():
            key = folder.name.split('-')[0]
            with suppress(BlockingIOError), self.locks.held(key, wait=False):
                if f'-{REPLACED}-' in folder.name:
                    self._put_back(key, folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _put_back(self, key: str, folder: Path) -> None:
        """Move an earlier result back, unless a new one has taken its place."""
        with suppress(OSError, ValueError, KeyError, TypeError):  # without a sound manifest it is no result
            stage = json.loads((folder / MANIFEST).read_text())['stage']
            if not self.folder(stage, key).exists():
                folder.rename(self.folder(stage, key))
