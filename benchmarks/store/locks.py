"""Locks by name, held by processes through ``flock``: a lock falls when its process ends, even by a kill."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Locks:
    """The locks in one folder, one file each.

    Args:
        folder: Created when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def held(self, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
        """Hold the lock ``name``.

        Args:
            name: The lock's name.
            shared: Whether other processes may hold it at the same time, if they share it, too.
            wait: Whether to wait until the lock can be held.

        Raises:
            BlockingIOError: The lock cannot be held now, and ``wait`` is False.
        """
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        with open(self.folder / name, 'w') as lock:
            fcntl.flock(lock, how if wait else how | fcntl.LOCK_NB)
            try:
                yield
            finally:  # closing is not enough: a data loader's worker, forked meanwhile, holds the same open file
                fcntl.flock(lock, fcntl.LOCK_UN)
