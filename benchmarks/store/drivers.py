"""The drivers that use a store at this moment, and the keys that each of them needs.

A driver is the process of one ``run_ablation.py``. Its file in the store holds its keys, and is locked while it runs.
"""

import fcntl
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.store.locks import Locks

GARBAGE = 'garbage'  # the lock that a collection holds alone, and that drivers share while they begin


class Drivers:
    """The files of living drivers in one folder.

    Args:
        folder: Created when missing.
        locks: The store's locks.
    """

    def __init__(self, folder: Path, locks: Locks) -> None:
        self.folder, self.locks = folder, locks
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def using(self, keys: Iterable[str]) -> Iterator[Path]:
        """Protect the results of these keys, present or future, from garbage collection. Waits for a running one.

        Yields:
            This driver's file.
        """
        path = self.folder / f'{uuid.uuid4().hex}.json'
        with ExitStack() as held:
            with self.locks.held(GARBAGE, shared=True):
                stream = held.enter_context(open(path, 'w'))
                held.callback(path.unlink, missing_ok=True)
                fcntl.flock(stream, fcntl.LOCK_EX)
                json.dump(list(keys), stream)
                stream.flush()
            yield path

    def keys_in_use(self, *, but: Path | None = None) -> set[str]:
        """The keys of all living drivers; the files of dead ones are removed. Call it inside :meth:`collecting`.

        Args:
            but: The file of a driver that does not count, as :meth:`using` yields it.
        """
        keys: set[str] = set()
        for path in set(self.folder.iterdir()) - {but}:
            with suppress(FileNotFoundError), open(path) as stream:  # a driver that ends removes its file
                try:
                    fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                except BlockingIOError:
                    keys.update(json.load(stream))
        return keys

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Let no driver begin while results are removed."""
        with self.locks.held(GARBAGE):
            yield
