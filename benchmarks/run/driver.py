"""Runs a plan: starts each stage when its parents are done, and collects the results.

Other drivers may run stages of the same plan in the same store. A stage that one of them has claimed
(:mod:`benchmarks.run.others`) is put aside, and its place among the jobs goes to another ready one. What others have
stored is taken in when its turn comes. The claims of others are looked at when stages may start, and every second
while a job is idle for them; no process waits meanwhile.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set

from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.contract import Launcher
from benchmarks.run.gpu_memory import GpuMemory
from benchmarks.run.map_budget import MapBudget
from benchmarks.run.others import Others
from benchmarks.run.results import NO_RESULT, result_of, stored
from benchmarks.run.retries import Retries, Retry
from benchmarks.run.schedule import Process, decide
from benchmarks.run.state import State
from benchmarks.run.view import Seconds, Viewer
from benchmarks.stages.worker import Task
from benchmarks.store.store import Result, Store

POLL_S = 0.1


class Driver:
    """Runs a plan to its end. It keeps the processes and the store; :mod:`benchmarks.run.schedule` decides the order.

    Args:
        plan: The plan.
        store: Where results are kept.
        launcher: Starts, polls and cancels stages.
        cached: Results that the store already has, by key; see :func:`benchmarks.run.state.look_up`.
        device: ``cpu`` or ``cuda``.
        jobs: The most processes at once; measuring stages always run alone.
        retry_failed: Run stages again whose stored result is a failure.
        again: Keys of stages to run again although they have a good result, which stays if they fail.
        budget: The disk space of maps; None keeps all.
        gpu: Knows whether a stage fits on the GPU beside the running ones; None where ``jobs`` is the only limit.
        shares_gpu: Whether stages share a GPU although nothing here knows its memory.
        seconds: Estimates how long stages take, so that the longest start first; None if nothing does.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        launcher: Launcher,
        cached: Mapping[str, Result],
        *,
        device: str,
        jobs: int,
        retry_failed: bool = False,
        again: Set[str] = frozenset(),
        budget: MapBudget | None = None,
        gpu: GpuMemory | None = None,
        shares_gpu: bool = False,
        seconds: Seconds | None = None,
    ) -> None:
        self.plan, self.store, self.launcher = plan, store, launcher
        self.device, self.jobs, self.retry_failed = device, jobs, retry_failed
        self.budget, self.gpu, self.again = budget, gpu, again
        self.shares_gpu = shares_gpu or gpu is not None
        self.state = State(plan, dict(cached), set(cached), earlier=self._earlier(cached))
        self.processes: dict[str, Process] = {}  # by the key of a running stage
        self.held_back: Process = ()  # the first in line, which did not fit on the GPU
        self.others = Others(self.state, store)
        self.retries = Retries()
        self.viewer = Viewer(self.state, self.retries, seconds)
        for key, result in cached.items():
            self._learn_memory(plan.stages[key], result)

    def run(self, show: Callable[[State], None]) -> State:
        """Run until no stage is left that can run.

        Ctrl-C, or any other exception, ends the running stages and passes on; finished results stay.

        Args:
            show: Called after each look at the running stages.
        """
        state = self.state
        with self.others.claims:
            try:
                self._drop_maps()
                self._start()
                while True:
                    # Nothing else lets a stage start, and to look through a large plan takes long.
                    if self._collect() or self._others_matter() or self._has_room_for_held_back():
                        self._start()
                    show(state)
                    if not state.running and not state.open():
                        if self.budget is not None:
                            self.budget.settle(state.standings.maps_needed())
                        return state
                    time.sleep(POLL_S)
            finally:
                self.launcher.cancel_all()

    def _earlier(self, cached: Mapping[str, Result]) -> dict[str, Result]:
        """The good results of stages that run again: to be measured anew, or because their maps were dropped."""
        kept = {key: stored(self.store, stage) for key, stage in self.plan.stages.items() if key not in cached}
        return {key: result for key, result in kept.items() if result is not None and result.ok}

    def _collect(self) -> bool:
        """Take in the stages that have ended; False if there are none."""
        ended = self.launcher.poll()
        for key, complaint in ended.items():
            del self.state.running[key]
            stage, process = self.plan.stages[key], self.processes.pop(key)
            if self.budget is not None:
                self.budget.heed(stage)
            if complaint is None and len(process) > 1 and stored(self.store, stage) is None:
                complaint = NO_RESULT  # a stage of the pass has ended the process of all
            retry = self.retries.retry(key, process, complaint)
            if retry is None:
                self._keep_result(stage, complaint)
            elif retry is Retry.AFTER_ITS_PARENTS:
                self._reopen_parents(stage)
            elif retry is Retry.ALONE:  # nothing is stored: if this driver is killed, the next one runs the stage again
                self.state.messages.append(f'{stage.kind:8}{stage.label}: failed beside others, is run again alone')
            elif retry is Retry.LATER:
                if self.others.put_off(key):
                    self.state.messages.append(f'{stage.kind:8}{stage.label}: {complaint}')
            elif retry is Retry.AFTER_ANOTHER_HOST:
                self.state.messages.append(f'{stage.kind:8}{stage.label}: {complaint}')
            self.others.claims.leave(key)
        if ended:
            self._drop_maps()
        return bool(ended)

    def _others_matter(self) -> bool:
        """Whether a stage that was put aside may be tried, or a job has been idle for a while for other drivers."""
        return self.others.forget_due() or self.others.look_is_due() and self._idle_jobs() > 0

    def _idle_jobs(self) -> int:
        """The number of jobs that could start something; none while a stage has the machine to itself."""
        if any(self.viewer.runs_alone(self.plan.stages[key]) for key in self.state.running):
            return 0
        return self.jobs - len(self._running())

    def _has_room_for_held_back(self) -> bool:
        return bool(self.held_back) and self._fits(self.held_back, self._running())

    def _reopen_parents(self, stage: Stage) -> None:
        for _, parent in stage.parents:
            self.state.results.pop(parent, None)
            self.state.earlier.pop(parent, None)
            result = stored(self.store, self.plan.stages[parent])  # another driver may have computed it again
            if result is not None and (result.whole or not result.ok or not self.state.standings.needs_maps(parent)):
                self.state.results[parent] = result

    def _keep_result(self, stage: Stage, complaint: str | None) -> None:
        maps_needed = self.state.standings.needs_maps(stage.key)
        result = result_of(self.store, stage, complaint, self.launcher.timeout_s, maps_needed=maps_needed)
        self.state.results[stage.key] = result
        if stage.key in self.again and complaint is not None and result.ok:
            self.state.messages.append(
                f'{stage.kind:8}{stage.label}: could not be run again ({complaint}); its earlier result is kept'
            )
        self._learn_memory(stage, result)

    def _learn_memory(self, stage: Stage, result: Result) -> None:
        if self.gpu is not None:
            self.gpu.learn(stage, result)

    def _drop_maps(self) -> None:
        if self.budget is not None:
            self.budget.enforce(self.state.standings.maps_needed())

    def _start(self) -> None:
        """Start all stages that the scheduler lets start, but for those that other drivers compute."""
        self.others.look()
        while True:
            view = self.viewer.view(
                self._running(),
                self.jobs,
                maps_limited=self.budget is not None,
                fits=self._fits,
                later=self.others.aside,
                machine_in_use=self.others.use_machine(self.viewer.runs_alone),
            )
            decision = decide(view)
            self.held_back = decision.held_back
            if all(map(self._begin, decision.start)):
                break
        self.state.waits_for = self.others.waited_for(max(0, self._idle_jobs()))

    def _begin(self, stages: Sequence[Stage]) -> bool:
        """Start a process.

        Returns:
            False if another driver has stored one of the results or was quicker, so that others may come first.
        """
        if any([self._take_in(stage) for stage in stages]):
            return False
        if not self.others.claim(stages):
            return False
        self._submit(stages)
        return True

    def _take_in(self, stage: Stage) -> bool:
        """Take in the result of a stage that another driver has stored meanwhile; False if there is none that counts.

        What counts is what :func:`benchmarks.stages.worker.is_done` says of a stage whose process has begun.
        """
        result = None if stage.key in self.again else stored(self.store, stage)
        if result is None or not (result.ok or not self.retry_failed):
            return False
        if result.ok and not result.whole and self.state.standings.needs_maps(stage.key):
            return False
        self.state.results[stage.key] = result
        self._learn_memory(stage, result)
        return True

    def _running(self) -> frozenset[Process]:
        return frozenset(self.processes.values())

    def _fits(self, process: Process, beside: frozenset[Process]) -> bool:
        # A stage that is about to start has no start time yet: a report under its key is that of an ended process.
        since = defaultdict(lambda: math.inf, self.state.running)
        return self.gpu is None or self.gpu.fits(process, beside, since)

    def _submit(self, stages: Sequence[Stage]) -> None:
        process = tuple(stage.key for stage in stages)
        bytes_allowed = self._bytes_allowed(process, stages)
        self.launcher.submit(*(self._task(stage, bytes_allowed) for stage in stages))
        for key in process:
            self.processes[key] = process
            self.state.running[key] = time.monotonic()
        self.retries.know(self._running())

    def _bytes_allowed(self, process: Process, stages: Sequence[Stage]) -> int | None:
        """The bytes of maps that a process may write beside the needed ones; None for no limit."""
        needs_maps = self.state.standings.needs_maps
        unneeded = sum(BY_NAME[stage.kind].keeps_maps and not needs_maps(stage.key) for stage in stages)
        if self.budget is None or not unneeded:
            return None
        return self.budget.allow(process, self._running(), unneeded)

    def _task(self, stage: Stage, bytes_allowed: int | None) -> Task:
        config, parents = self.state.read_by(stage)
        alone, needed = self.viewer.runs_alone(stage), self.state.standings.needs_maps(stage.key)
        return Task(
            stage.kind,
            stage.key,
            stage.label,
            config,
            parents,
            dict(stage.ingredients),
            str(self.store.root.absolute()),  # a stage may change its current folder
            self.device,
            rerun_failures=self.retry_failed or stage.key in self.again,
            again=stage.key in self.again,
            maps_needed=needed,
            alone=alone,
            shares_gpu=self.shares_gpu and not alone,
            options=dict(bytes_allowed=None if needed else bytes_allowed) if BY_NAME[stage.kind].keeps_maps else {},
        )
