"""The drivers that use a store at this moment, and the keys that each of them needs.

A driver is the process of one ``run_ablation.py``. Its file in the store has its name and holds its keys; it touches
the file while it runs.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.store.fresh import names_in
from benchmarks.store.heartbeat import beating
from benchmarks.store.holder import Holder
from benchmarks.store.leases import Leases
from benchmarks.store.observer import Observer, Sign
from benchmarks.store.old_layout import old_driver_runs

SPARE = 'grave'  # an empty folder for the next collection, which may have no room to make it
COLLECTING = 'collecting'  # the lease that a collection holds, and each driver for an instant when it begins


class Drivers:
    """The files of living drivers in one folder.

    Args:
        folder: Created when missing.
        leases: Hold off drivers that begin while results are removed.
        observer: Knows the drivers on other hosts.
    """

    def __init__(self, folder: Path, leases: Leases, observer: Observer) -> None:
        self.folder, self.leases, self.observer = folder, leases, observer
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def using(self, keys: Iterable[str]) -> Iterator[Path]:
        """Protect the results of these keys, present or future, from garbage collection. Waits for a running one.

        Yields:
            This driver's file.
        """
        path, content = self.folder / f'{Holder.me()}.json', json.dumps(list(keys)).encode()

        def write() -> None:  # again, if it is taken for dead on another host while it is stopped
            write_atomic(path, content, sync=False)

        with self.collecting():
            self._forget_ended()
            write()
        try:
            with beating(path, write):
                yield path
        finally:
            path.unlink(missing_ok=True)

    def _forget_ended(self) -> None:
        """Remove the files that killed drivers of this host have left; whether others live only their signs tell."""
        for path in self.folder.glob('*.json'):
            holder = Holder.named(path.stem)
            if holder and holder.has_ended():
                path.unlink(missing_ok=True)

    def keys_in_use(self, *, but: Path | None = None) -> set[str]:
        """The keys of all living drivers; the files of dead ones are removed. Call it inside :meth:`collecting`.

        Args:
            but: The file of a driver that does not count, as :meth:`using` yields it.
        """
        keys: set[str] = set()
        for path in {self.folder / name for name in names_in(self.folder) if name.endswith('.json')} - {but}:
            with suppress(FileNotFoundError):  # a driver that ends removes its file
                if self._lives(path):
                    keys.update(json.loads(path.read_text()))
                else:
                    path.unlink()
        return keys

    def doubtful(self) -> Iterator[Holder]:
        """The drivers on other hosts of which it is not known yet whether they live."""
        for path in self.folder.glob('*.json'):
            holder = Holder.named(path.stem)
            if holder and holder.has_ended() is None and self.observer.look(path) is Sign.UNSURE:
                yield holder

    def _lives(self, path: Path) -> bool:
        holder = Holder.named(path.stem)
        if holder is None:
            return old_driver_runs(path)
        ended = holder.has_ended()
        return self.observer.look(path) not in (Sign.SILENT, Sign.GONE) if ended is None else not ended

    @contextmanager
    def collecting(self, *, wait: bool = True) -> Iterator[Path]:
        """Let no driver begin while results are removed.

        Args:
            wait: Whether to wait for another collection.

        Yields:
            The folder to which these are moved, and in which they are deleted. It ends with the lease.

        Raises:
            BlockingIOError: There is another collection, and ``wait`` is False.
        """
        with self.leases.held(COLLECTING, wait=wait) as place:
            spare = self.leases.folder / SPARE
            try:
                spare.rename(place)
            except FileNotFoundError:
                place.mkdir()
            yield place
            with suppress(OSError):  # the lease is lost
                if not any(place.iterdir()):
                    place.rename(spare)
