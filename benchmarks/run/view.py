"""Makes the scheduler's view of a run from the run's state."""

import sys
from collections.abc import Callable, Collection, Mapping

from benchmarks.kinds import BY_NAME
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Stage
from benchmarks.run.candidates import Candidates
from benchmarks.run.retries import Retries
from benchmarks.run.schedule import Process, View, rush_s
from benchmarks.run.standings import OPEN, Standing
from benchmarks.run.state import State

# From keys of stages to their seconds, as far as anything is known to tell them by.
Seconds = Callable[[Collection[str]], Mapping[str, float]]


class Viewer:
    """Makes the scheduler's view of a run.

    Args:
        state: Where the run stands.
        retries: How stages run again.
        seconds: Estimates how long stages take; None if nothing does.
    """

    def __init__(self, state: State, retries: Retries, seconds: Seconds | None = None) -> None:
        self.state, self.retries, self.seconds = state, retries, seconds
        self._own: Mapping[str, float] = {}
        self._with_chains: dict[str, float] = {}
        self._estimated_at = -1  # the number of results at the last estimate
        self.batch_keys: dict[str, str | None] = {}  # a digest of a whole config each, so that each is made once
        self._candidates = Candidates(state.standings.place)
        self._counted: dict[str, tuple[float, str | None]] = {}  # of each open stage its seconds, and its batch to come
        self._to_come: dict[str, int] = {}
        self._work_s = 0.0

    def view(
        self,
        running: frozenset[Process],
        jobs: int,
        *,
        maps_limited: bool,
        fits: Callable[[Process, frozenset[Process]], bool],
        later: Collection[str] = (),
        machine_in_use: bool = False,
    ) -> View:
        """The view at this moment; see :class:`View` for the other arguments.

        Args:
            later: Keys of stages that do not start now.
            machine_in_use: Whether other drivers of this machine run stages of the plan: none starts alone meanwhile.
        """
        chains = self._chains()
        self._follow()
        to_come = () if maps_limited else self._to_come.keys()  # there no batch waits
        rush = rush_s(self._work_s, jobs, maps_limited=maps_limited)
        ready = self._candidates.first(jobs - len(running), to_come, rush, without=later)
        if not ready and not running and not machine_in_use:
            ready = self._candidates.first_alone(without=later)
        known = (*ready, *(self.state.plan.stages[key] for key in self.state.running))
        return View(
            ready=tuple(ready),
            running=running,
            jobs=jobs,
            batches={stage.key: self._batch(stage) for stage in ready},
            batches_to_come=self._to_come.keys(),
            alone=frozenset(stage.key for stage in known if self.runs_alone(stage)),
            maps_limited=maps_limited,
            fits=fits,
            seconds=chains,
            work_s=self._work_s,
        )

    def _follow(self) -> None:
        """Take note of the stages that stand elsewhere than at the last look."""
        standings = self.state.standings
        standings.refresh()
        moved, standings.moved = standings.moved, {}
        for key in moved:
            self._forget(key)
            if standings.of(key) in OPEN:
                self._learn(self.state.plan.stages[key], standings.of(key))

    def _learn(self, stage: Stage, standing: Standing) -> None:
        batch, alone = self._batch(stage), self.runs_alone(stage)
        own_s = 0.0 if alone else self._own.get(stage.key, 0.0)
        comes = batch if standing is Standing.WAITING else None
        self._counted[stage.key] = own_s, comes
        self._work_s += own_s
        if standing is Standing.READY:
            self._candidates.add(stage, batch, alone=alone)
        elif comes is not None:
            self._to_come[comes] = self._to_come.get(comes, 0) + 1

    def _forget(self, key: str) -> None:
        own_s, comes = self._counted.pop(key, (0.0, None))
        # Nothing open leaves no rest of rounded differences.
        self._work_s = self._work_s - own_s if self._counted else 0.0
        self._candidates.remove(key)
        if comes is not None:
            self._to_come[comes] -= 1
            if not self._to_come[comes]:
                del self._to_come[comes]

    def _chains(self) -> dict[str, float]:
        """How long each open stage takes with the longest chain that waits for it, by key.

        Estimated anew when there are twice as many results as at the last estimate: in a large plan it takes long.
        """
        number = len(self.state.results)
        if self.seconds is None or self._estimated_at >= 0 and number < max(1, 2 * self._estimated_at):
            return self._with_chains
        self._estimated_at = number
        open_stages = {stage.key: stage for stage in self.state.open()}
        self._own = self.seconds(list(open_stages))
        after: dict[str, float] = {}
        for key, stage in reversed(open_stages.items()):  # parents stand before their children in a plan
            self._with_chains[key] = self._own.get(key, 0.0) + after.get(key, 0.0)
            for _, parent in () if self.runs_alone(stage) else stage.parents:
                after[parent] = max(after.get(parent, 0.0), self._with_chains[key])
        self.state.standings.moved |= dict.fromkeys(open_stages)
        self._candidates.know(self._with_chains)
        return self._with_chains

    def runs_alone(self, stage: Stage) -> bool:
        """Whether a stage needs the machine to itself."""
        return BY_NAME[stage.kind].measures_alone or stage.key in self.retries.failed_beside_others

    def _batch(self, stage: Stage) -> str | None:
        if stage.key not in self.batch_keys:
            batch = batch_key(stage)
            self.batch_keys[stage.key] = batch and sys.intern(batch)  # in memory once, not for each of its stages
        return None if stage.key in self.retries.unbatched else self.batch_keys[stage.key]
