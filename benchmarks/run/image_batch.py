"""The refinements of a batch that may start next, without a look at all that are ready.

Refinements share images and annotations. A batch of them is as large as the grid, and a process takes no more than
``MOST_REFINED`` of them: the next in the queue, those of the same prediction, and then the others by their parents.
"""

from collections.abc import Collection

from benchmarks.plan.batching import MOST_REFINED
from benchmarks.plan.plan import Stage, Step
from benchmarks.run.ordered import Ordered

Parents = tuple[Step, ...]


class ImageBatch:
    """The ready stages of one batch whose members share images."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}
        self._siblings: dict[Parents, dict[str, None]] = {}
        self._by_parents = Ordered[Parents]()
        self.forget_orders()

    def forget_orders(self) -> None:
        """Forget in which order they start."""
        self._by_turn, self._by_chain = Ordered[str](), Ordered[str]()

    def add(self, stage: Stage) -> None:
        """Add a stage; :meth:`order` has to follow."""
        self.stages[stage.key] = stage
        if stage.parents not in self._siblings:
            self._siblings[stage.parents] = {}
            self._by_parents.add(stage.parents, stage.parents)
        self._siblings[stage.parents][stage.key] = None

    def order(self, key: str, turn: tuple, chain_s: float) -> None:
        """Give a stage its place.

        Args:
            key: The stage.
            turn: Its place among stages whose chains are short.
            chain_s: The seconds of its longest chain, which decides among stages whose chains are long.
        """
        self._by_turn.add(key, turn)
        self._by_chain.add(key, (-chain_s, turn))

    def remove(self, key: str) -> None:
        """Remove a stage."""
        parents = self.stages.pop(key).parents
        for order in (self._by_turn, self._by_chain):
            order.remove(key)
        del self._siblings[parents][key]
        if not self._siblings[parents]:
            del self._siblings[parents]
            self._by_parents.remove(parents)

    def longest(self) -> list[str]:
        """The key of the stage with the longest chain; none if there is no stage."""
        return self._by_chain.first(1)

    def first(self, free: int, without: Collection[str]) -> list[Stage]:
        """All that can be among the next to start, or all where these are few.

        Args:
            free: The number of processes that could start.
            without: Keys of stages that do not start now.
        """
        most = free * MOST_REFINED + len(without)
        if len(self.stages) <= most:
            return [stage for key, stage in self.stages.items() if key not in without]
        heads = [*self._by_turn.first(most), *self._by_chain.first(most)]
        parents = dict.fromkeys([*(self.stages[key].parents for key in heads), *self._by_parents.first(most)])
        shown = dict.fromkeys(key for group in parents for key in self._siblings[group])
        return [self.stages[key] for key in shown if key not in without]
