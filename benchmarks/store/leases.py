"""Leases by name, for processes of several hosts: a holder that dies, or pauses for too long, loses its lease.

    <folder>/<name>-<holder>.lease   the lease: a file that the holder touches
    <folder>/<name>-<holder>/        the holder's folder, from which it publishes, and into which it removes
    <folder>/<name>-<holder>.left    the folder of an earlier holder, which the holder has found

The name of a holder is never used twice. A process holds a lease if, after it has made its file, no other holder of the
same name is left that may live. It then renames the folders of all earlier holders, and at this instant every path
through them ends. So a holder that publishes by a rename of its folder, and removes by a rename into it, does neither
once another process holds its lease: who takes over sees all that the earlier holder has done, and nothing comes after.

A process of this host has lost its lease when it has ended, whatever the clocks say, and not before. Of a process of
another host that is known only after its file has not changed for ``LEASE_S`` (:mod:`benchmarks.store.observer`).
Nothing here relies on ``flock``, which on some network file systems holds on one host only.
"""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.store.fresh import is_there
from benchmarks.store.heartbeat import beating
from benchmarks.store.holder import Holder
from benchmarks.store.observer import LEASE_S, Observer, Sign

LEASE, LEFT = '.lease', '.left'
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5
APART = 4  # times as long as a try: two that wait much less than their tries take give way to each other again


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
    def held(self, name: str, *, wait: bool = True, lost: Callable[[], object] = lambda: None) -> Iterator[Path]:
        """Hold the lease ``name``.

        Args:
            name: The lease's name, without a hyphen.
            wait: Whether to wait until the lease can be held.
            lost: Called in another thread when it shows that the lease is lost.

        Yields:
            The holder's folder, which is not made yet. It is deleted at the end.

        Raises:
            BlockingIOError: The lease cannot be held now, and ``wait`` is False.
        """
        place = self._take(name, wait)

        def missing() -> None:
            shutil.rmtree(place, ignore_errors=True)  # what this process has written since
            lost()

        try:
            with beating(lease_of(place), missing):
                self._end_paths_of_others(name, place)
                yield place
        finally:
            try:
                for folder in filter(Path.exists, (place, left_in(place))):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:  # last: without its lease a folder is an earlier holder's
                lease_of(place).unlink(missing_ok=True)

    def is_held(self, name: str) -> bool:
        """Whether a process, perhaps this one, holds the lease; one that cannot be judged yet counts."""
        return any(not self._has_lost(lease, holder) for lease, holder in self._leases(name))

    def standing(self, wanted: Callable[[str], bool]) -> tuple[dict[str, Holder], set[str]]:
        """Who holds each lease, by name, and the names of those that processes of other hosts have lost.

        One that cannot be judged yet counts as held.

        Args:
            wanted: Whether a name is asked for. Each lease of another host that is costs the opening of a file.
        """
        held, lost = dict[str, Holder](), set[str]()
        for lease, name, holder, ending in self._entries():
            if ending != LEASE or not wanted(name):
                continue
            if not self._has_lost(lease, holder):
                held[name] = holder
            elif not holder.is_here:
                lost.add(name)
        return held, lost

    def doubtful(self) -> Iterator[Holder]:
        """The holders on other hosts of which it is not known yet whether they live."""
        for lease, holder in self._leases():
            if holder.has_ended() is None and self.observer.look(lease) is Sign.UNSURE:
                yield holder

    def names(self) -> set[str]:
        """The names of all leases that are held, or of which something is left."""
        return {name for _, name, _, _ in self._entries()}

    def remains(self, name: str, *suffixes: str) -> list[Path]:
        """The paths ``<folder><suffix>`` of earlier holders, who no longer have their leases."""
        entries = [(path, holder) for path, of, holder, ending in self._entries() if of == name and ending in suffixes]
        return [path for path, holder in entries if not is_there(lease_of(self.folder / f'{name}-{holder}'))]

    def folders(self, name: str) -> list[tuple[Path, Holder]]:
        """The folder of the process that holds a lease; none before it makes it."""
        entries = self._entries()
        return [
            (path, holder)
            for path, of, holder, ending in entries
            if (of, ending) == (name, '') and lease_of(path).exists()
        ]

    def _take(self, name: str, wait: bool) -> Path:
        pause = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            place = self._try(name, Holder.me())
            if place is not None:
                return place
            if not wait:
                raise BlockingIOError(f'{self.folder / name} is held by another process')
            apart = max(pause, APART * (time.monotonic() - began))
            time.sleep(apart * random.uniform(0.5, 1))  # processes that gave way to each other come one by one
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _try(self, name: str, me: Holder) -> Path | None:
        """Take a lease that nobody holds who may live; None if that does not succeed now."""
        if self.is_held(name):
            return None
        place = self.folder / f'{name}-{me}'
        own = lease_of(place)
        own.touch()
        try:
            leases = self._leases(name)
            others = [(lease, holder) for lease, holder in leases if lease != own]
            # A listing that lacks this lease is older than it: another lease may be missing in it, too.
            if len(others) == len(leases) or not all(self._has_lost(lease, holder) for lease, holder in others):
                own.unlink()
                return None
            for lease, _ in others:
                lease.unlink(missing_ok=True)
        except OSError:
            own.unlink(missing_ok=True)  # or it would stand as long as this process does
            raise
        return place

    def _has_lost(self, lease: Path, holder: Holder) -> bool:
        ended = holder.has_ended()
        return self.observer.look(lease) in (Sign.SILENT, Sign.GONE) if ended is None else ended

    def _end_paths_of_others(self, name: str, place: Path) -> None:
        """Rename the folders of earlier holders; of several, the newest stays."""
        for folder in sorted(self.remains(name, LEFT, ''), key=_time):
            shutil.rmtree(left_in(place), ignore_errors=True)
            with suppress(FileNotFoundError):
                folder.rename(left_in(place))

    def _leases(self, name: str | None = None) -> list[tuple[Path, Holder]]:
        entries = self._entries()
        return [(path, holder) for path, of, holder, ending in entries if ending == LEASE and name in (of, None)]

    def _entries(self) -> list[tuple[Path, str, Holder, str]]:
        """All that is in the folder: (path, name of the lease, holder, what follows the holder's name)."""
        found = []
        for entry in os.listdir(self.folder):
            name, _, rest = entry.partition('-')
            most, _, last = rest.rpartition('-')
            number, dot, ending = last.partition('.')
            holder = Holder.named(f'{most}-{number}')
            if holder is not None:
                found.append((self.folder / entry, name, holder, dot + ending))
        return found


def lease_of(place: Path) -> Path:
    """The lease of a holder, by the holder's folder."""
    return place.with_name(place.name + LEASE)


def left_in(place: Path) -> Path:
    """The folder that an earlier holder has left, by the holder's folder."""
    return place.with_name(place.name + LEFT)


def refuse_lost(place: Path, error: OSError | None = None) -> None:
    """Refuse to go on without the lease.

    Args:
        place: The holder's folder, as :meth:`Leases.held` yields it.
        error: The error that has shown it, if any.

    Raises:
        LostLease: Another process has taken the lease over.
    """
    if is_there(lease_of(place)):
        return
    name = place.name.partition('-')[0]
    others = [Holder.named(path.name[len(name) + 1 : -len(LEASE)]) for path in place.parent.glob(f'{name}-*{LEASE}')]
    by = f'a process of {others[0].machine}' if others and others[0] else 'another process'
    raise LostLease(
        f'this process was silent for longer than its lease of {LEASE_S:g} s, and {by} has taken over {name}'
    ) from error


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
