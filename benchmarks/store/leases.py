"""Leases by name, for processes of several hosts: a holder that dies, or pauses for too long, loses its lease.

    <folder>/<name>/<holder>/lease   the file that the holder touches; without it the folder is nobody's
    <folder>/<name>/<holder>/…       all that the holder works on

A lease is a folder with the name of its holder, which nobody has had before. To take it over is to rename that folder:
this succeeds for one process only, and at the same instant every path through the old name ends. So a holder that
publishes by a rename out of its folder, and removes by a rename into it, does neither once its lease is lost.

A process of this host has lost its lease when it has ended, whatever the clocks say, and not before. Of a process of
another host that is known only after its file has not changed for ``LEASE_S`` (:mod:`benchmarks.store.observer`).
Nothing here relies on ``flock``, which on some network file systems holds on one host only.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.store.heartbeat import beating
from benchmarks.store.holder import Holder
from benchmarks.store.observer import LEASE_S, Observer, Sign

LEASE = 'lease'
FREE = 'free'  # in place of a holder's name: the folder of a lease that is kept while nobody holds it
PREPARED = '.'  # begins the names of folders that become leases
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5


class LostLease(Exception):
    """This process was silent for longer than a lease, and another one has taken its lease over."""


class Leases:
    """The leases in one folder.

    Args:
        folder: Created when missing.
        observer: Knows the holders on other hosts.
    """

    def __init__(self, folder: Path, observer: Observer) -> None:
        self.folder, self.observer = folder, observer
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def held(
        self, name: str, *, wait: bool = True, keep: bool = False, lost: Callable[[], object] = lambda: None
    ) -> Iterator[Path]:
        """Hold the lease ``name``.

        Args:
            name: The lease's name; it must not begin with a full stop.
            wait: Whether to wait until the lease can be held.
            keep: Whether the folder stays, so that the next holder needs no room on the disk.
            lost: Called in another thread when it shows that the lease is lost.

        Yields:
            The holder's folder. It has what an earlier holder left in it that died, or kept it.

        Raises:
            BlockingIOError: The lease cannot be held now, and ``wait`` is False.
        """
        place = self._take(name, wait)

        def missing() -> None:
            shutil.rmtree(place, ignore_errors=True)  # what this process has written since
            lost()

        try:
            with beating(place / LEASE, missing):
                yield place
        finally:
            _leave(place, keep)

    def is_held(self, name: str) -> bool:
        """Whether a process, perhaps this one, holds the lease; one that cannot be judged yet counts."""
        return any((entry / LEASE).exists() and not self._is_free(entry) for entry in _entries(self.folder / name))

    def doubtful(self) -> Iterator[tuple[Path, Holder]]:
        """The files of holders on other hosts, and the holders, of which it is not known yet whether they live."""
        for path in self.folder.glob(f'*/*/{LEASE}'):
            holder = Holder.named(path.parent.name)
            if holder and holder.has_ended() is None and self.observer.look(path) is Sign.UNSURE:
                yield path, holder

    def clear_prepared(self) -> None:
        """Remove folders that were to become leases, of processes of this host that were killed."""
        for folder in self.folder.glob(f'{PREPARED}*'):
            holder = Holder.named(folder.name.removeprefix(PREPARED))
            if holder is None or holder.has_ended():
                shutil.rmtree(folder, ignore_errors=True)

    def _take(self, name: str, wait: bool) -> Path:
        pause = FIRST_PAUSE_S
        while (place := self._try(name, Holder.me())) is None:
            if not wait:
                raise BlockingIOError(f'{self.folder / name} is held by another process')
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return place

    def _try(self, name: str, me: Holder) -> Path | None:
        """Take a lease that is free, or whose holder has lost it; None if that does not succeed now."""
        entries = []
        for entry in _entries(self.folder / name):
            if (entry / LEASE).exists():
                entries.append(entry)
            else:  # a holder that has lost it goes on writing for a while, or it was killed while it left
                shutil.rmtree(entry, ignore_errors=True)
        if not entries:
            return self._first(name, me)
        place = self.folder / name / str(me)
        if not self._is_free(entries[0]):
            return None
        with suppress(FileNotFoundError):  # another process was first, or its holder leaves at this moment
            entries[0].rename(place)
            os.utime(place / LEASE)
            return place
        return None

    def _is_free(self, entry: Path) -> bool:
        if entry.name == FREE:
            return True
        holder = Holder.named(entry.name)
        ended = None if holder is None else holder.has_ended()
        return self.observer.look(entry / LEASE) is Sign.SILENT if ended is None else ended

    def _first(self, name: str, me: Holder) -> Path | None:
        """Take a lease that has no folder, or an empty one."""
        prepared = self.folder / f'{PREPARED}{me}'
        try:
            (prepared / str(me)).mkdir(parents=True)
            (prepared / str(me) / LEASE).touch()
            prepared.rename(self.folder / name)
        except OSError as error:
            shutil.rmtree(prepared, ignore_errors=True)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return None
        return self.folder / name / str(me)


def empty(place: Path) -> None:
    """Remove all folders from the folder of a lease."""
    for path in _entries(place):
        if path.name != LEASE:
            shutil.rmtree(path, ignore_errors=True)


def refuse_lost(place: Path, error: OSError | None = None) -> None:
    """Refuse to go on without the lease.

    Args:
        place: The holder's folder, as :meth:`Leases.held` yields it.
        error: The error that has shown it, if any.

    Raises:
        LostLease: Another process has taken the lease over.
    """
    if (place / LEASE).exists():
        return
    others = [Holder.named(entry.name) for entry in _entries(place.parent) if entry != place]
    by = f'a process of {others[0].machine}' if others and others[0] else 'another process'
    raise LostLease(
        f'this process was silent for longer than its lease of {LEASE_S:g} s, and {by} has taken over '
        f'{place.parent.name}'
    ) from error


def _entries(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def _leave(place: Path, keep: bool) -> None:
    """Give a lease back; of one that is lost, remove what this process has written since."""
    if keep and (place / LEASE).exists():
        with suppress(OSError):
            place.rename(place.with_name(FREE))
            return
    with suppress(FileNotFoundError):
        (place / LEASE).unlink()  # first: whoever sees the folder without it may remove it, and nobody takes it over
    shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):  # a new holder has come
        place.parent.rmdir()
