"""Makes the scheduler's view of a run from the run's state."""

from collections.abc import Callable, Collection, Mapping

from benchmarks.kinds import BY_NAME
from benchmarks.plan.batching import batch_key
from benchmarks.plan.plan import Stage
from benchmarks.run.retries import Retries
from benchmarks.run.schedule import Process, View
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

    def view(
        self,
        running: frozenset[Process],
        jobs: int,
        *,
        maps_limited: bool,
        fits: Callable[[Process, frozenset[Process]], bool],
        later: Collection[str] = (),
    ) -> View:
        """The view at this moment; see :class:`View` for the arguments. Stages with keys in ``later`` do not start."""
        chains = self._chains()
        ready, to_come, work_s = [], set(), 0.0
        for stage in self.state.open():
            work_s += 0.0 if self.runs_alone(stage) else self._own.get(stage.key, 0.0)
            if stage.key in later:
                continue
            if self.state.ready(stage):
                ready.append(stage)
            else:
                to_come.add(self._batch(stage))
        known = (*ready, *(self.state.plan.stages[key] for key in self.state.running))
        return View(
            ready=tuple(ready),
            running=running,
            jobs=jobs,
            batches={stage.key: self._batch(stage) for stage in ready},
            batches_to_come=frozenset(batch for batch in to_come if batch is not None),
            alone=frozenset(stage.key for stage in known if self.runs_alone(stage)),
            maps_limited=maps_limited,
            fits=fits,
            seconds=chains,
            work_s=work_s,
        )

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
        return self._with_chains

    def runs_alone(self, stage: Stage) -> bool:
        """Whether a stage needs the machine to itself."""
        return BY_NAME[stage.kind].measures_alone or stage.key in self.retries.failed_beside_others

    def _batch(self, stage: Stage) -> str | None:
        if stage.key not in self.batch_keys:
            self.batch_keys[stage.key] = batch_key(stage)
        return None if stage.key in self.retries.unbatched else self.batch_keys[stage.key]
