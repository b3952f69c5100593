"""Where each stage of a plan stands, kept up to date by what changes: a look costs no more in a larger plan.

The results and the running stages of a :class:`benchmarks.run.state.State` note which of their keys have changed. Only
these stages, and those that read them, are asked again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Set
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from benchmarks.kinds import BY_NAME, WITH_MAPS
from benchmarks.plan.plan import Plan, Stage

Value = TypeVar('Value')


class Standing(Enum):
    """Where a stage stands."""

    DONE = auto()
    RUNNING = auto()
    BLOCKED = auto()
    READY = auto()
    WAITING = auto()


OPEN = frozenset((Standing.READY, Standing.WAITING))


class Noted(dict[str, Value], Generic[Value]):
    """A dict that notes which keys have been set or removed.

    Attributes:
        changed: These keys, in the order of their last change; whoever has taken note of them clears it.
    """

    def __init__(self, *content: Any) -> None:
        super().__init__(*content)
        self.changed: dict[str, None] = {}

    def __setitem__(self, key: str, value: Value) -> None:
        super().__setitem__(key, value)
        self.changed[key] = None

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.changed[key] = None

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key, and return its value."""
        self.changed[key] = None
        return super().pop(key, *default)

    def __ior__(self, other: Any) -> 'Noted[Value]':  # type: ignore[misc, override]
        self.update(other)
        return self

    def update(self, other: Any) -> None:  # type: ignore[override]
        """Set all keys of another mapping."""
        super().update(other)
        self.changed.update(dict.fromkeys(other))


class Standings:
    """The standing of each stage of a plan.

    Args:
        plan: The plan.
        ask: Says where a stage stands, from the results and the running stages of this moment.
        noted: These results and running stages.

    Attributes:
        moved: Keys whose standing may have changed since somebody cleared it; at first all.
    """

    def __init__(self, plan: Plan, ask: Callable[[Stage], Standing], noted: Iterable[Noted]) -> None:
        self.plan, self.ask, self.noted = plan, ask, tuple(noted)
        self.place = {key: place for place, key in enumerate(plan.stages)}
        self._children = _children(plan)
        self._standing: dict[str, Standing] = {}
        self._reads_of_maps = Counter[str]()  # the unfinished stages that read the maps of each prediction
        self.moved: dict[str, None] = {}
        self._ask(plan.stages)

    def of(self, key: str) -> Standing:
        """Where a stage stands."""
        self.refresh()
        return self._standing[key]

    def needs_maps(self, key: str) -> bool:
        """Whether the maps of a prediction are input of stages that still have to run, or run now."""
        self.refresh()
        return key in self._reads_of_maps

    def maps_needed(self) -> Set[str]:
        """Keys of all such predictions; no copy, because a run asks for each stage that ends."""
        self.refresh()
        return self._reads_of_maps.keys()

    def refresh(self) -> None:
        """Take note of all changes."""
        for noted in self.noted:
            if noted.changed:
                changed, noted.changed = noted.changed, {}
                self._ask(self._with_descendants(changed))

    def _with_descendants(self, keys: Iterable[str]) -> dict[str, None]:
        """Stages, and all that read their results: a failure reaches far."""
        found: dict[str, None] = {}
        waiting = [key for key in keys if key in self.place]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found[key] = None
                waiting += self._children.get(key, ())
        return found

    def _ask(self, keys: Iterable[str]) -> None:
        for key in keys:
            stage = self.plan.stages[key]
            before, now = self._standing.get(key), self.ask(stage)
            self._standing[key] = now
            self.moved[key] = None
            reads = (now not in _SETTLED) - (before is not None and before not in _SETTLED)
            if reads and BY_NAME[stage.kind].reads_maps:
                for kind, parent in stage.parents:
                    if kind in WITH_MAPS:
                        self._reads_of_maps[parent] += reads
                        if not self._reads_of_maps[parent]:
                            del self._reads_of_maps[parent]


def _children(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The keys of the stages that read the result of each stage."""
    children = defaultdict[str, list[str]](list)
    for key, stage in plan.stages.items():
        for _, parent in stage.parents:
            children[parent].append(key)
    return {parent: tuple(keys) for parent, keys in children.items()}


_SETTLED = frozenset((Standing.DONE, Standing.BLOCKED))
