"""What other drivers do with the stages of a run, and which stages this driver puts aside for them."""

import time
from collections.abc import Callable, Sequence, Set

from benchmarks.plan.plan import Stage
from benchmarks.run.claims import Claims
from benchmarks.run.results import stored
from benchmarks.run.state import State
from benchmarks.store.holder import Holder
from benchmarks.store.store import Store

LATER_S = 10.0  # for so long a stage that a driver with another store computes is not tried again
LOOK_S = 1.0  # between two looks at the claims of others; each lists a folder, which may be a network's


class Others:
    """The other drivers of a store, as of the last look.

    Args:
        state: Where the run stands.
        store: Where results are kept.

    Attributes:
        claims: The claims of this driver.
    """

    def __init__(self, state: State, store: Store) -> None:
        self._state, self._store = state, store
        self.claims = Claims(store)
        self._elsewhere: dict[str, Holder] = {}  # the drivers that compute open stages, by key
        self._look_at = 0.0
        self._later: dict[str, float] = {}  # when stages that could not be had are tried again, by key
        self._put_off: set[str] = set()  # the keys of those that a driver with another store has computed

    def look(self) -> None:
        """Look which open stages other drivers compute.

        What is stored, and computed by no process, counts as no longer claimed: the driver of a claim may be stopped,
        or hang, after the process of the stage has ended.
        """
        claimed = self.claims.of_others(lambda key: key in self._state.plan.stages and key not in self._state.results)
        self._elsewhere = {key: driver for key, driver in claimed.items() if not self._is_stored(key)}
        self._look_at = time.monotonic() + LOOK_S

    def _is_stored(self, key: str) -> bool:
        return stored(self._store, self._state.plan.stages[key]) is not None and not self._store.leases.is_held(key)

    @property
    def aside(self) -> Set[str]:
        """The keys of the stages that do not start now."""
        return self._later.keys() | self._elsewhere.keys()

    def forget_due(self) -> bool:
        """Forget which stages were put aside for a while that is over, so that they are tried again; False if none."""
        due = [key for key, at in self._later.items() if at <= time.monotonic()]
        for key in due:
            del self._later[key]
        return bool(due)

    def look_is_due(self) -> bool:
        """Whether others computed open stages at the last look, which was a while ago."""
        return bool(self._elsewhere) and time.monotonic() >= self._look_at

    def use_machine(self, runs_alone: Callable[[Stage], bool]) -> bool:
        """Whether other drivers of this machine run stages of the plan beside which others may run.

        A stage that asked for the machine now would keep the idle jobs of those drivers idle until the last has ended.

        Args:
            runs_alone: Whether a stage needs the machine to itself.
        """
        here = [self._state.plan.stages[key] for key, holder in self._elsewhere.items() if holder.is_here]
        return not all(map(runs_alone, here))

    def waited_for(self, number: int) -> dict[str, str]:
        """At most so many stages of others, by key, and the driver that computes each."""
        first = list(self._elsewhere.items())[:number]
        return {key: f'process {holder.pid} on {holder.machine}' for key, holder in first}

    def claim(self, stages: Sequence[Stage]) -> bool:
        """Claim stages that start as one process; False if another driver was quicker, so that others come first."""
        lost = self.claims.take(*(stage.key for stage in stages))
        if lost is not None:
            self._later[lost] = time.monotonic() + LOOK_S
        return lost is None

    def put_off(self, key: str) -> bool:
        """Put aside a stage that a driver with another store computes; False if it was put aside before."""
        first = key not in self._put_off
        self._put_off.add(key)
        self._later[key] = time.monotonic() + LATER_S
        return first
