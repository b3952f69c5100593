"""The disk space of predicted maps (``--max-maps``): maps that a refinement still needs stay, others within a limit.

A prediction whose maps were dropped is a result like any other, except for stages that need its maps: for these it is
predicted again.
"""

from collections.abc import Collection, Set
from pathlib import Path

from benchmarks.kinds import WITH_MAPS
from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.schedule import Process
from benchmarks.run.stored_maps import MapAccount, StoredMaps
from benchmarks.store.sizes import size_text
from benchmarks.store.store import Store


class MapBudget:
    """The disk space that the maps of a store may take.

    Args:
        store: Where results are kept.
        limit: The most bytes of maps that are kept, beside those that stages still need.
        estimate: The most bytes that the maps of one prediction take.
        plan_keys: All keys of the plan.
        driver: The file by which :meth:`Store.using` registered this driver; the keys of its own plan do not protect
            maps from it.
    """

    def __init__(
        self, store: Store, limit: int, estimate: int, plan_keys: Collection[str], driver: Path | None = None
    ) -> None:
        self.store, self.limit, self.estimate, self.driver = store, limit, estimate, driver
        self.granted: dict[Process, int] = {}  # the bytes of unneeded maps that each running process may write
        self.stored = MapAccount(store, plan_keys)

    def to_drop(self, needed: Set[str], in_use: Set[str] = frozenset()) -> list[StoredMaps]:
        """Maps to drop so that the rest is within the limit, the oldest first.

        Args:
            needed: Keys of the predictions whose maps must stay.
            in_use: Keys of others whose maps must stay.
        """
        self.stored.refresh()
        dropped: list[StoredMaps] = []
        excess = self.stored.total - self.limit
        for maps in self.stored:
            if excess <= 0:
                break
            if maps.key not in needed and maps.key not in in_use:
                dropped.append(maps)
                excess -= maps.size
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
            for maps in self.to_drop(needed, self.store.drivers.keys_in_use(but=self.driver)):
                if self.stored.look_at(maps.kind, maps.key) == maps:  # no other driver has dropped or replaced them
                    self.store.drop_idle_maps(maps.kind, maps.key, grave)
                    self.stored.look_at(maps.kind, maps.key)

    def heed(self, stage: Stage) -> None:
        """Take note of the maps of a stage that has ended, and of those that it has read: a launcher may fetch them."""
        for kind, key in (stage.step, *stage.parents):
            if kind in WITH_MAPS:
                self.stored.look_at(kind, key)

    def settle(self, needed: Set[str]) -> None:
        """:meth:`enforce` on a new listing, at the end of a run: nobody may come after it."""
        self.stored.list_again()
        self.enforce(needed)

    def allow(self, process: Process, running: Collection[Process], number: int) -> int:
        """Grant a process that is about to start bytes for maps that no stage needs, and remember the grant.

        Older maps of other plans give way to such maps.

        Args:
            process: The process.
            running: The running processes; the grants of others are forgotten.
            number: The number of predictions that share the bytes.

        Returns:
            The most bytes that these maps may take together.
        """
        self.granted = {other: self.granted.get(other, 0) for other in running}
        self.stored.refresh()
        free = self.limit - self.stored.of_plan - sum(self.granted.values())
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
    dropped = budget.to_drop(needed)
    lines = [
        f'maps: at most {size_text(budget.limit)} are kept (--max-maps); stored are those of '
        f'{_predictions(len(budget.stored))}, {size_text(budget.stored.total)}'
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
