"""One user of a folder at a time, on all hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.store.leases import Leases
from benchmarks.store.observer import Observer

NAME = '.user'


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing; a second process waits until the first has left it, or has died."""
    with Leases(folder, Observer()).held(NAME):
        yield
