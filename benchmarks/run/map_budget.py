"""The disk space of predicted maps (``--max-maps``): maps that a refinement still needs stay, others within a limit.

A prediction whose maps were dropped is a result like any other, except for stages that need its maps: for these it is
predicted again.
"""

from collections.abc import Collection, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kinds import WITH_MAPS
from benchmarks.plan.plan import Plan
from benchmarks.run.schedule import Process
from benchmarks.store.sizes import size_text
from benchmarks.store.store import MANIFEST, MAPS, Store


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


class MapBudget:
    """The disk space that the maps of a store may take.

    Args:
        store: Where results are kept.
        limit: The most bytes of maps that are kept, beside those that stages still need.
        estimate: The most bytes that the maps of one prediction take.
        driver: The file by which :meth:`Store.using` registered this driver; the keys of its own plan do not protect
            maps from it.
    """

    def __init__(self, store: Store, limit: int, estimate: int, driver: Path | None = None) -> None:
        self.store, self.limit, self.estimate, self.driver = store, limit, estimate, driver
        self.granted: dict[Process, int] = {}  # the bytes of unneeded maps that each running process may write
        self._sizes: dict[tuple[str, int], int] = {}

    def stored(self) -> list[StoredMaps]:
        """All maps of the store, the oldest first."""
        maps = []
        for kind in WITH_MAPS:
            for folder in (self.store.root / kind).glob(f'*/{MAPS}'):
                with suppress(FileNotFoundError):  # dropped or replaced by another driver at this moment
                    maps.append(self._measured(kind, folder))
        return sorted(maps, key=lambda entry: entry.stored)

    def _measured(self, kind: str, folder: Path) -> StoredMaps:
        key, stored = folder.parent.name, (folder.parent / MANIFEST).stat().st_mtime_ns
        if (key, stored) not in self._sizes:
            self._sizes[key, stored] = sum(path.stat().st_size for path in folder.iterdir())
        return StoredMaps(kind, key, self._sizes[key, stored], stored)

    def to_drop(self, needed: Set[str]) -> list[StoredMaps]:
        """Maps to drop so that the rest is within the limit, the oldest first.

        Args:
            needed: Keys of the predictions whose maps must stay.
        """
        maps, dropped = self.stored(), []
        excess = sum(entry.size for entry in maps) - self.limit
        for entry in maps:
            if excess > 0 and entry.key not in needed:
                dropped.append(entry)
                excess -= entry.size
        return dropped

    def enforce(self, needed: Set[str]) -> None:
        """Drop maps until the rest is within the limit.

        Maps that a running stage reads, and those in the plans of other living drivers, stay.

        Args:
            needed: Keys of the predictions whose maps this driver's stages still need.
        """
        if not self.to_drop(needed):
            return
        with (
            self.store.drivers.collecting() as grave
        ):  # a driver that begins registers its keys before it looks for maps
            for entry in self.to_drop(needed | self.store.drivers.keys_in_use(but=self.driver)):
                self.store.drop_idle_maps(entry.kind, entry.key, grave)

    def allow(self, process: Process, running: Collection[Process], plan_keys: Collection[str], number: int) -> int:
        """Grant a process that is about to start bytes for maps that no stage needs, and remember the grant.

        Older maps of other plans give way to such maps.

        Args:
            process: The process.
            running: The running processes; the grants of others are forgotten.
            plan_keys: All keys of the plan.
            number: The number of predictions that share the bytes.

        Returns:
            The most bytes that these maps may take together.
        """
        self.granted = {other: self.granted.get(other, 0) for other in running}
        taken = sum(entry.size for entry in self.stored() if entry.key in plan_keys)
        free = self.limit - taken - sum(self.granted.values())
        self.granted[process] = max(0, min(free, number * self.estimate))
        return self.granted[process]


def format_budget(budget: MapBudget, plan: Plan, reasons: Collection[str], needed: Set[str]) -> list[str]:
    """Lines that say which maps will be kept and dropped.

    Args:
        budget: The budget.
        plan: The plan.
        reasons: Keys of the stages that will run.
        needed: Keys of the predictions whose maps those stages need.
    """
    stored, dropped = budget.stored(), budget.to_drop(needed)
    lines = [
        f'maps: at most {size_text(budget.limit)} are kept (--max-maps); stored are those of '
        f'{_predictions(len(stored))}, {size_text(sum(entry.size for entry in stored))}'
    ]
    if dropped:
        lines.append(
            f'  {len(dropped)} dropped at the start of the run, the oldest first: '
            f'{size_text(sum(entry.size for entry in dropped))}'
        )
    if needed:
        lines.append(f'  {len(needed)} kept until their refinements are done, then within the limit')
    unneeded = sum(plan.stages[key].kind in WITH_MAPS and key not in needed for key in reasons)
    if unneeded:
        way = 'kept as far as they fit, instead of older ones' if budget.limit else 'not written'
        lines.append(f'  {unneeded} to be predicted that no refinement of this plan reads: {way}')
    return lines


def _predictions(number: int) -> str:
    return f'{number} prediction{"s" * (number != 1)}'
