"""Content-addressed results on disk: atomic, checksummed, one writer per key; shared by all grids of a work dir.

    <root>/<stage>/<key>/manifest.json   written last; names every other file with its size and sha256
    <root>/<stage>/<key>/…               what the stage stored
    <root>/locks/<key>                   held (flock) by the process that computes the key
    <root>/running/<key>-<pid>/          where it works; renamed into place when it is complete
    <root>/drivers/<id>.json             the keys that a living driver reads or computes; held (flock) while it runs
    <root>/outputs/<digest>.json         an output folder, whose records refer to results here, and its last plan's keys

A kill at any instant leaves a folder under ``running/`` and nothing else: the lock falls with its process, and the next
run clears folders whose lock is free. A failure is a result, too: its manifest has a status other than ``ok``.

The maps of a prediction, its folder ``maps``, are far larger than all else and may be dropped: the folder goes as a
whole, by a rename, and the manifest, which still names its files, stays as it is. A file that is missing in a folder
``maps`` that is there is damage; a result without that folder is sound, but not whole.
"""

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.files import write_atomic

MANIFEST = 'manifest.json'
MAPS = 'maps'  # the only folder of a result that may be dropped
OWN_FOLDERS = ('locks', 'running', 'drivers', 'outputs')


@dataclass(frozen=True)
class Result:
    """What a stage left behind.

    Args:
        folder: Where its files are.
        status: ``ok``, or why it failed: ``failed``, ``diverged``, ``out_of_memory``, ``timeout``.
        reason: One line for people; None when ok.
        facts: The stage's measured facts.
        ingredients: What its key was made of, to say later which of them changed.
        label: Which cell asked for it first.
        whole: Whether its maps are there, if it has any; who reads a result needs all of it.
    """

    folder: Path
    status: str
    reason: str | None
    facts: dict
    ingredients: dict
    label: str
    whole: bool = True

    @property
    def ok(self) -> bool:
        """Whether the stage succeeded."""
        return self.status == 'ok'


class Damaged(Exception):
    """A stored result is not what was written: it must be computed again."""


class Store:
    """The results of all stages under one folder.

    Args:
        root: Created when missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        for name in OWN_FOLDERS:
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @classmethod
    def in_work_dir(cls, work_dir: Path) -> 'Store':
        """The store of a work dir."""
        return cls(work_dir / 'store')

    def folder(self, stage: str, key: str) -> Path:
        """Where the result of this key is, or will be."""
        return self.root / stage / key

    def get(self, stage: str, key: str, *, verify: bool = False) -> Result | None:
        """The stored result, or None when there is none.

        Args:
            stage: Kind of stage.
            key: Its key.
            verify: Compare each file's sha256, not only its size.

        Raises:
            Damaged: The manifest is torn, or a file is missing, truncated or (with ``verify``) altered.
                Maps that were dropped are no damage.
        """
        folder = self.folder(stage, key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Damaged(f'{folder / MANIFEST} is torn') from error
        whole = manifest.get('whole', True)
        for name, (size, checksum) in manifest['files'].items():
            path = folder / name
            try:
                if path.stat().st_size != size:
                    raise Damaged(f'{path} is truncated')
                if verify and sha256(path) != checksum:
                    raise Damaged(f'{path} is altered')
            except FileNotFoundError as error:  # or discarded by another process a moment ago
                if not name.startswith(f'{MAPS}/') or self.has_maps(stage, key) or not folder.is_dir():
                    raise Damaged(f'{path} is missing') from error
                whole = False
        return replace(_result(folder, manifest), whole=whole)

    def discard_damaged(self, stage: str, key: str) -> None:
        """Forget a result if it is damaged; who computes it anew meanwhile is waited for, and keeps what he wrote."""
        with self._locked(key, fcntl.LOCK_EX):
            try:
                self.get(stage, key, verify=True)
            except Damaged:
                self.discard(stage, key)

    def identity(self, stage: str, key: str) -> tuple[int, int] | None:
        """Differs when a result has been replaced; None when there is none."""
        try:
            manifest = (self.folder(stage, key) / MANIFEST).stat()
        except FileNotFoundError:
            return None
        return manifest.st_ino, manifest.st_mtime_ns

    def discard(self, stage: str, key: str) -> None:
        """Forget a result; atomic, so that no reader sees half of it. Only who holds the key's lock may do so."""
        folder = self.folder(stage, key)
        grave = self.root / 'running' / f'{key}-discarded-{os.getpid()}'
        try:
            folder.rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)

    def has_maps(self, stage: str, key: str) -> bool:
        """Whether a result's maps are there."""
        return (self.folder(stage, key) / MAPS).is_dir()

    def drop_idle_maps(self, stage: str, key: str) -> bool:
        """Drop the maps of a result unless somebody is at work on its key; whether they are gone.

        Atomic: whoever is killed here leaves them where they were, or out of sight under ``running/``.
        """
        with suppress(BlockingIOError), self._locked(key, fcntl.LOCK_EX | fcntl.LOCK_NB):
            grave = self.root / 'running' / f'{key}-dropped-{os.getpid()}'
            with suppress(FileNotFoundError):
                (self.folder(stage, key) / MAPS).rename(grave)
            shutil.rmtree(grave, ignore_errors=True)
            return True
        return False

    def discard_idle(self, stage: str, key: str) -> bool:
        """Forget a result unless somebody is at work on its key; whether it was forgotten."""
        with suppress(BlockingIOError), self._locked(key, fcntl.LOCK_EX | fcntl.LOCK_NB):
            self.discard(stage, key)
            return True
        return False

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """Hold the key's lock and give an empty folder to work in; waits while another process holds the lock."""
        with self._locked(key, fcntl.LOCK_EX):
            folder = self.working_folder(key, os.getpid())
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def using(self, keys: Iterable[str]) -> Iterator[Path]:
        """Keep the results of these keys, there or to come, from being collected as garbage; waits for a collection.

        Gives the file that tells others so.
        """
        path = self.root / 'drivers' / f'{uuid.uuid4().hex}.json'
        with ExitStack() as held:
            with self._locked('garbage', fcntl.LOCK_SH):
                stream = held.enter_context(open(path, 'w'))
                held.callback(path.unlink, missing_ok=True)
                fcntl.flock(stream, fcntl.LOCK_EX)
                json.dump(list(keys), stream)
                stream.flush()
            yield path

    def keys_in_use(self, *, but: Path | None = None) -> set[str]:
        """The keys of all living drivers; what killed ones have left goes. Asked while :meth:`collecting`.

        Args:
            but: The file of a driver that does not count, as :meth:`using` gave it.
        """
        keys: set[str] = set()
        for path in set((self.root / 'drivers').iterdir()) - {but}:
            with suppress(FileNotFoundError), open(path) as stream:  # a driver that ends takes its file along
                try:
                    fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                except BlockingIOError:
                    keys.update(json.load(stream))
        return keys

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Let no driver begin meanwhile."""
        with self._locked('garbage', fcntl.LOCK_EX):
            yield

    def add_output(self, out: Path, keys: Iterable[str]) -> None:
        """Remember that the records in ``out`` refer to results here, and soon to those of ``keys``.

        A folder beside the store is remembered by its name, so that both can be moved together.
        """
        out, beside = Path(out).resolve(), self.root.parent.resolve()
        known = str(out.relative_to(beside)) if out.is_relative_to(beside) else str(out)
        write_atomic(
            self.root / 'outputs' / f'{hashlib.sha256(known.encode()).hexdigest()[:40]}.json',
            json.dumps(dict(out=known, keys=list(keys))).encode(),
        )

    def outputs(self) -> Iterator[tuple[Path, Path, list[str]]]:
        """What :meth:`add_output` was told of: (file that remembers it, output folder, keys)."""
        for path in sorted((self.root / 'outputs').glob('*.json')):
            noted = json.loads(path.read_text())
            yield path, self.root.parent / noted['out'], noted['keys']

    @contextmanager
    def machine(self, *, alone: bool) -> Iterator[None]:
        """Share the machine with other stages of this work dir, whichever driver started them, or have it alone."""
        with self._locked('machine', fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
            yield

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        with open(self.root / 'locks' / name, 'w') as lock:
            fcntl.flock(lock, how)
            try:
                yield
            finally:  # closing is not enough: a loader's worker forked meanwhile holds the same open file
                fcntl.flock(lock, fcntl.LOCK_UN)

    def working_folder(self, key: str, pid: int) -> Path:
        """Where a process works on a key while it holds the key's lock."""
        return self.root / 'running' / f'{key}-{pid}'

    def rescue(self, key: str, name: str, folder: Path) -> None:
        """Move a file that a process left when it was killed at work on this key into ``folder``, if there is one.

        Args:
            key: Its lock must be held, so that nobody else is at work on it.
            name: The file's name.
            folder: The folder that :meth:`writing` gave.
        """
        left = [path for path in (self.root / 'running').glob(f'{key}-[0-9]*/{name}') if path.parent != folder]
        if left:
            max(left, key=lambda path: path.stat().st_mtime_ns).replace(folder / name)

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
            folder: The folder that :meth:`writing` gave.
            status: See :class:`Result`; likewise the others.
            reason: See :class:`Result`.
            facts: See :class:`Result`.
            ingredients: See :class:`Result`.
            label: See :class:`Result`.
            whole: False when the stage has left its maps out.
        """
        files = {
            str(path.relative_to(folder)): (path.stat().st_size, sha256(path))
            for path in sorted(folder.rglob('*'))
            if path.is_file()
        }
        manifest = dict(
            stage=stage,
            key=key,
            status=status,
            reason=reason,
            facts=facts,
            ingredients=ingredients,
            label=label,
            whole=whole,
            files=files,
        )
        with open(folder / MANIFEST, 'w') as stream:
            json.dump(manifest, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        target = self.folder(stage, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.discard(stage, key)
        folder.rename(target)
        return Result(target, status, reason, facts, ingredients, label, whole)

    def clear_abandoned(self) -> None:
        """Remove working folders whose process is gone."""
        for folder in (self.root / 'running').iterdir():
            key = folder.name.split('-')[0]
            with suppress(BlockingIOError), self._locked(key, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)

    def progress(self, key: str) -> dict:
        """What the process that computes this key last said of its progress; empty when it has said nothing."""
        dated = []  # one that was killed at work on this key leaves its own
        for path in (self.root / 'running').glob(f'{key}-*/progress.json'):
            with suppress(OSError, ValueError):
                dated.append((path.stat().st_mtime_ns, json.loads(path.read_text())))
        return max(dated, key=lambda item: item[0], default=(0, {}))[1]

    def stored(self, stage: str) -> Iterator[Result]:
        """All results of one kind of stage, the newest first, as their manifests tell; their files are not read."""
        dated = []
        for path in (self.root / stage).glob(f'*/{MANIFEST}'):
            with suppress(FileNotFoundError, ValueError):  # discarded by another driver a moment ago, or torn
                dated.append((path.stat().st_mtime_ns, _result(path.parent, json.loads(path.read_text()))))
        dated.sort(key=lambda item: -item[0])
        return (result for _, result in dated)

    def newest(self, stage: str) -> dict[str, Result]:
        """The newest stored result of each label, to explain by it why a stage of that label must run."""
        found: dict[str, Result] = {}
        for result in self.stored(stage):
            found.setdefault(result.label, result)
        return found


def _result(folder: Path, manifest: dict) -> Result:
    fields = {name: manifest[name] for name in ('status', 'reason', 'facts', 'ingredients', 'label')}
    return Result(folder=folder, **fields)


def sha256(path: Path) -> str:
    """sha256 of a file."""
    with open(path, 'rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()
