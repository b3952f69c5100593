"""The maps that a store has: listed once, and from then on kept up to date by what the run hears of.

To list them takes longer the more results there are, so that it is not done for each stage that ends. Another driver
may store and drop maps, of which this one does not hear: the store is listed again after :data:`LISTED_FOR_S`.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kinds import WITH_MAPS
from benchmarks.store.store import MANIFEST, MAPS, Store

# A listing of 100,000 results takes seconds. So long may another driver's maps stay unknown, and exceed the limit.
LISTED_FOR_S = 60.0


@dataclass(frozen=True)
class StoredMaps:
    """The maps of one prediction.

    Args:
        kind: The kind of the stage that left them.
        key: Its key.
        size: Of all their files, in bytes.
        stored: Time at which they were stored, in nanoseconds since the epoch.
    """

    kind: str
    key: str
    size: int
    stored: int


class MapAccount:
    """What maps a store has, and how large they are.

    Args:
        store: The store.
        own: The keys of the plan.
        clock: The seconds of a clock that never goes back.

    Attributes:
        total: The bytes of all maps.
        of_plan: The bytes of those of the plan's stages.
    """

    def __init__(self, store: Store, own: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.own, self.clock = store, own, clock
        self.total = self.of_plan = 0
        self._maps: dict[str, StoredMaps] = {}  # by key, the oldest first
        self._listed_at: float | None = None

    def __iter__(self) -> Iterator[StoredMaps]:
        """All maps, the oldest first."""
        return iter(self._maps.values())

    def __len__(self) -> int:
        return len(self._maps)

    def refresh(self) -> None:
        """List the store, unless that was done a short while ago."""
        if self._listed_at is not None and self.clock() - self._listed_at < LISTED_FOR_S:
            return
        self._listed_at = self.clock()
        found = [self._measured(kind, key) for kind in WITH_MAPS for key in self._keys(kind)]
        for key in list(self._maps):
            self._forget(key)
        for maps in sorted(filter(None, found), key=lambda maps: maps.stored):
            self._know(maps)

    def list_again(self) -> None:
        """List the store at the next :meth:`refresh`, however short a while ago that was done."""
        self._listed_at = None

    def look_at(self, kind: str, key: str) -> StoredMaps | None:
        """The maps of one prediction as they are now; None if it has none."""
        maps = self._measured(kind, key)
        if maps != self._maps.get(key):
            self._forget(key)
            if maps is not None:
                self._know(maps)  # newer than all others
        return maps

    def _keys(self, kind: str) -> list[str]:
        return [folder.parent.name for folder in (self.store.root / kind).glob(f'*/{MAPS}')]

    def _measured(self, kind: str, key: str) -> StoredMaps | None:
        folder = self.store.folder(kind, key)
        with suppress(FileNotFoundError):  # there are none, or another driver drops or replaces them at this moment
            stored = (folder / MANIFEST).stat().st_mtime_ns
            known = self._maps.get(key)
            if known and known.stored == stored and (folder / MAPS).is_dir():
                return known
            return StoredMaps(kind, key, _size(folder / MAPS), stored)
        return None

    def _know(self, maps: StoredMaps) -> None:
        self._maps[maps.key] = maps
        self.total += maps.size
        self.of_plan += maps.size * (maps.key in self.own)

    def _forget(self, key: str) -> None:
        maps = self._maps.pop(key, None)
        if maps:
            self.total -= maps.size
            self.of_plan -= maps.size * (key in self.own)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
