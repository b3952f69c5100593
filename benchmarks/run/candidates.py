"""The stages that may start next, without a look at all that wait: their order is kept in heaps.

Few stages can start at once. The order of stages that run beside others is known in advance
(:func:`benchmarks.run.schedule.own_turn`), but that the longest chain may come first of all. Predictions of one pass
start together, and become ready together, because they read the same weights; so the first of them has a place, as a
training has. Of refinements see :mod:`benchmarks.run.image_batch`; those of a batch that is not complete come behind
all others. So the scheduler is shown the first few, and decides as if it saw all.
"""

from collections.abc import Collection, Mapping

from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Stage
from benchmarks.run.image_batch import ImageBatch
from benchmarks.run.ordered import Ordered
from benchmarks.run.schedule import own_turn


class Candidates:
    """Ready stages.

    Args:
        place: The place of each stage in the plan, which decides between equals.
    """

    def __init__(self, place: Mapping[str, int]) -> None:
        self._place = place
        self._chains: Mapping[str, float] = {}
        self._passes: dict[str, dict[str, Stage]] = {}  # by batch, or by the key of a stage that runs on its own
        self._pass_of: dict[str, str] = {}
        self._batches: dict[str, ImageBatch] = {}
        self._batch_of: dict[str, str] = {}
        self._alone: dict[str, Stage] = {}
        self._alone_in_order = Ordered[str]()
        self._by_turn, self._by_chain = Ordered[str](), Ordered[str]()

    def add(self, stage: Stage, batch: str | None, *, alone: bool) -> None:
        """Add a stage that has become ready."""
        key = stage.key
        if alone:
            self._alone[key] = stage
            self._alone_in_order.add(key, (BY_NAME[stage.kind].measures_alone, self._place[key]))
        elif batch is not None and BY_NAME[stage.kind].shares == 'images':
            self._batch_of[key] = batch
            self._batches.setdefault(batch, ImageBatch()).add(stage)
            self._put_in_batch(stage)
        else:
            self._pass_of[key] = batch or key
            self._passes.setdefault(batch or key, {})[key] = stage
            self._put(stage)

    def remove(self, key: str) -> None:
        """Remove a stage that is no longer ready, if it is here."""
        if self._alone.pop(key, None):
            self._alone_in_order.remove(key)
        if key in self._pass_of:
            self._by_turn.remove(key)
            self._by_chain.remove(key)
            _remove(self._passes, self._pass_of.pop(key), key)
        if key in self._batch_of:
            batch = self._batch_of.pop(key)
            self._batches[batch].remove(key)
            if not self._batches[batch].stages:
                del self._batches[batch]

    def know(self, chains: Mapping[str, float]) -> None:
        """Order the stages by other estimates of how long each takes with the longest chain that waits for it."""
        self._chains = chains
        self._by_turn, self._by_chain = Ordered[str](), Ordered[str]()
        for stages in self._passes.values():
            for stage in stages.values():
                self._put(stage)
        for batch in self._batches.values():
            batch.forget_orders()
            for stage in batch.stages.values():
                self._put_in_batch(stage)

    def _put(self, stage: Stage) -> None:
        turn, chain_s = self._turn(stage)
        self._by_turn.add(stage.key, turn)
        self._by_chain.add(stage.key, (-chain_s, turn))

    def _put_in_batch(self, stage: Stage) -> None:
        self._batches[self._batch_of[stage.key]].order(stage.key, *self._turn(stage))

    def _turn(self, stage: Stage) -> tuple[tuple, float]:
        chain_s = self._chains.get(stage.key, 0.0)
        return (*own_turn(stage, chain_s), self._place[stage.key]), chain_s

    def first(self, free: int, to_come: Collection[str], rush_s: float, without: Collection[str] = ()) -> list[Stage]:
        """All that can be among the next to start, in the plan's order.

        Args:
            free: The number of processes that could start beside the running ones.
            to_come: Batches of which members still wait for their parents.
            rush_s: The seconds from which on a chain comes first of all.
            without: Keys of stages that do not start now.
        """
        if free <= 0:
            return []
        number = free + 1 + len(without)
        orders = (self._by_turn, self._by_chain)
        passes = dict.fromkeys(
            name for order in orders for name in order.first_groups(number, self._pass_of.__getitem__)
        )
        shown = [[stage for key, stage in self._passes[name].items() if key not in without] for name in passes]
        shown += [batch.first(free, without) for name, batch in self._batches.items() if name not in to_come]
        if sum(map(bool, shown)) <= free or self._longest_in_batches_s() > rush_s:
            shown += [batch.first(free, without) for name, batch in self._batches.items() if name in to_come]
        return sorted((stage for stages in shown for stage in stages), key=self._in_plan)

    def first_alone(self, without: Collection[str] = ()) -> list[Stage]:
        """The stage that would get the machine to itself next, if there is one that may start now."""
        in_order = self._alone_in_order.first(1 + len(without))
        return [self._alone[key] for key in in_order if key not in without][:1]

    def _longest_in_batches_s(self) -> float:
        longest = [key for batch in self._batches.values() for key in batch.longest()]
        return max((self._chains.get(key, 0.0) for key in longest), default=0.0)

    def _in_plan(self, stage: Stage) -> int:
        return self._place[stage.key]


def _remove(groups: dict[str, dict[str, Stage]], name: str, key: str) -> None:
    """Remove a key from its group, and the group with its last key."""
    del groups[name][key]
    if not groups[name]:
        del groups[name]
