"""The disk that maps take: those that a refinement is still to read stay, the others within a limit (``--max-maps``).

A prediction whose maps are gone is a result like any other, but for who must read them: then it is predicted again.
"""

from collections.abc import Collection, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.plan.plan import Plan
from benchmarks.store.sizes import size_text
from benchmarks.store.store import MANIFEST, MAPS, Store

KIND = 'predict'


@dataclass(frozen=True)
class StoredMaps:
    """The maps of one prediction.

    Args:
        key: The prediction's key.
        size: Of all their files, in bytes.
        stored: When they were stored, in nanoseconds since the epoch.
    """

    key: str
    size: int
    stored: int


class MapBudget:
    """What maps may take in a store.

    Args:
        store: Where results are kept.
        limit: How many bytes of maps are kept at most, but for those that are still to be read.
        estimate: How many bytes the maps of one prediction take at most.
        driver: The file of the driver that asks, as :meth:`Store.using` gave it; its keys are not another's.
    """

    def __init__(self, store: Store, limit: int, estimate: int, driver: Path | None = None) -> None:
        self.store, self.limit, self.estimate, self.driver = store, limit, estimate, driver
        self._sizes: dict[tuple[str, int], int] = {}

    def stored(self) -> list[StoredMaps]:
        """All maps of the store, the oldest first."""
        found = []
        for folder in (self.store.root / KIND).glob(f'*/{MAPS}'):
            with suppress(FileNotFoundError):  # dropped or replaced by another driver at this moment
                found.append(self._measured(folder))
        return sorted(found, key=lambda one: one.stored)

    def _measured(self, folder: Path) -> StoredMaps:
        key, stored = folder.parent.name, (folder.parent / MANIFEST).stat().st_mtime_ns
        if (key, stored) not in self._sizes:
            self._sizes[key, stored] = sum(path.stat().st_size for path in folder.iterdir())
        return StoredMaps(key, self._sizes[key, stored], stored)

    def to_drop(self, needed: Set[str]) -> list[StoredMaps]:
        """What must go so that the rest is within the limit: the oldest first.

        Args:
            needed: Keys of the predictions whose maps must stay.
        """
        found, going = self.stored(), []
        excess = sum(one.size for one in found) - self.limit
        for one in found:
            if excess > 0 and one.key not in needed:
                going.append(one)
                excess -= one.size
        return going

    def enforce(self, needed: Set[str]) -> None:
        """Drop what must go, but for what any stage is at work on and what other living drivers have in their plans."""
        if not self.to_drop(needed):
            return
        with self.store.drivers.collecting():  # a driver that begins looks for maps only after it has told of its keys
            for one in self.to_drop(needed | self.store.drivers.keys_in_use(but=self.driver)):
                self.store.drop_idle_maps(KIND, one.key)

    def room(self, keys: Collection[str], granted: int, number: int) -> int:
        """How many bytes may be written of maps that nobody is to read: older ones of other plans give way to them.

        Args:
            keys: All keys of the plan.
            granted: How many bytes running stages may still write.
            number: How many predictions are to share the room.
        """
        taken = sum(one.size for one in self.stored() if one.key in keys)
        return max(0, min(self.limit - taken - granted, number * self.estimate))


def told(budget: MapBudget, plan: Plan, reasons: Collection[str], needed: Set[str]) -> list[str]:
    """What will be kept and dropped, in words.

    Args:
        budget: The budget.
        plan: The plan.
        reasons: Keys of the stages that will run.
        needed: Keys of the predictions whose maps those stages read.
    """
    stored, going = budget.stored(), budget.to_drop(needed)
    lines = [
        f'maps: at most {size_text(budget.limit)} are kept (--max-maps); stored are those of '
        f'{_predictions(len(stored))}, {size_text(sum(one.size for one in stored))}'
    ]
    if going:
        lines.append(
            f'  {len(going)} dropped at the start of the run, the oldest first: '
            f'{size_text(sum(one.size for one in going))}'
        )
    if needed:
        lines.append(f'  {len(needed)} kept until their refinements are done, then within the limit')
    unread = sum(plan.stages[key].kind == KIND and key not in needed for key in reasons)
    if unread:
        way = 'kept as far as they fit, instead of older ones' if budget.limit else 'not written'
        lines.append(f'  {unread} to be predicted that no refinement of this plan reads: {way}')
    return lines


def _predictions(number: int) -> str:
    return f'{number} prediction{"s" * (number != 1)}'
