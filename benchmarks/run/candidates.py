"""The stages that may start next, without a look at all that wait: their order is kept in heaps.

Few stages can start at once. Of stages that run on their own and beside others, as trainings do, the order is known in
advance (:func:`benchmarks.run.schedule.own_turn`), but that the longest chain may come first of all. Members of a batch
that is not complete come behind all others. So the scheduler is shown the first few, and decides as if it saw all.
"""

import heapq
from collections.abc import Collection, Mapping

from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Stage
from benchmarks.run.schedule import own_turn


class Ordered:
    """Keys in an order of their own; keys that were removed leave the heap when they come to its top."""

    def __init__(self) -> None:
        self._order: dict[str, tuple] = {}
        self._heap: list[tuple[tuple, str]] = []

    def add(self, key: str, order: tuple) -> None:
        """Add a key, or give it another place."""
        self._order[key] = order
        heapq.heappush(self._heap, (order, key))

    def remove(self, key: str) -> None:
        """Remove a key, if it is here."""
        self._order.pop(key, None)

    def first(self, number: int) -> list[str]:
        """The first keys, at most ``number``."""
        top: dict[str, tuple] = {}
        while self._heap and len(top) < number:
            order, key = heapq.heappop(self._heap)
            if self._order.get(key) == order:
                top[key] = order
        for key, order in top.items():
            heapq.heappush(self._heap, (order, key))
        return list(top)


class Candidates:
    """Ready stages.

    Args:
        place: The place of each stage in the plan, which decides between equals.
    """

    def __init__(self, place: Mapping[str, int]) -> None:
        self._place = place
        self._chains: Mapping[str, float] = {}
        self._single: dict[str, Stage] = {}
        self._batched: dict[str, dict[str, Stage]] = {}
        self._batch_of: dict[str, str] = {}
        self._alone: dict[str, Stage] = {}
        self._forget_orders()

    def _forget_orders(self) -> None:
        self._by_turn, self._by_chain, self._batched_by_chain = Ordered(), Ordered(), Ordered()

    def add(self, stage: Stage, batch: str | None, *, alone: bool) -> None:
        """Add a stage that has become ready."""
        if alone:
            self._alone[stage.key] = stage
        elif batch is None:
            self._single[stage.key] = stage
            self._put(stage)
        else:
            self._batched.setdefault(batch, {})[stage.key] = stage
            self._batch_of[stage.key] = batch
            self._batched_by_chain.add(stage.key, (-self._chains.get(stage.key, 0.0),))

    def remove(self, key: str) -> None:
        """Remove a stage that is no longer ready, if it is here."""
        self._alone.pop(key, None)
        self._single.pop(key, None)
        for order in (self._by_turn, self._by_chain, self._batched_by_chain):
            order.remove(key)
        if key in self._batch_of:
            batch = self._batch_of.pop(key)
            del self._batched[batch][key]
            if not self._batched[batch]:
                del self._batched[batch]

    def know(self, chains: Mapping[str, float]) -> None:
        """Order the stages by other estimates of how long each takes with the longest chain that waits for it."""
        self._chains = chains
        self._forget_orders()
        for stage in self._single.values():
            self._put(stage)
        for key in self._batch_of:
            self._batched_by_chain.add(key, (-chains.get(key, 0.0),))

    def _put(self, stage: Stage) -> None:
        chain_s = self._chains.get(stage.key, 0.0)
        turn = (*own_turn(stage, chain_s), self._place[stage.key])
        self._by_turn.add(stage.key, turn)
        self._by_chain.add(stage.key, (-chain_s, *turn))

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
        single = {*self._by_turn.first(number), *self._by_chain.first(number)}.difference(without)
        complete = [batch for batch in self._batched if batch not in to_come]
        batches: Collection[str] = complete
        if len(single) + len(complete) <= free or self._longest_batched_s() > rush_s:
            batches = self._batched
        found = [self._single[key] for key in single]
        found += [stage for batch in batches for key, stage in self._batched[batch].items() if key not in without]
        return sorted(found, key=self._in_plan)

    def first_alone(self, without: Collection[str] = ()) -> list[Stage]:
        """The stage that would get the machine to itself next, if there is one that may start now."""
        may_start = (stage for key, stage in self._alone.items() if key not in without)
        in_order = sorted(may_start, key=self._in_plan)
        return [min(in_order, key=lambda stage: BY_NAME[stage.kind].measures_alone)] if in_order else []

    def _longest_batched_s(self) -> float:
        return max((self._chains.get(key, 0.0) for key in self._batched_by_chain.first(1)), default=0.0)

    def _in_plan(self, stage: Stage) -> int:
        return self._place[stage.key]
