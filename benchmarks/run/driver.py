"""Runs a plan: submits each stage when its parents are there, and gathers what comes of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.plan.batching import begun_together, shared_pass
from benchmarks.plan.plan import Plan, Stage, what_changed
from benchmarks.run.gpu_memory import GpuMemory, Process
from benchmarks.run.launcher import NO_ROOM, PARENT_GONE, LocalLauncher
from benchmarks.run.map_budget import MapBudget
from benchmarks.stages.worker import LOG, Task
from benchmarks.store.store import Damaged, Result, Store

POLL_S = 0.1
# Finish what is begun: a cell done early is a cell that a kill cannot cost.
ORDER = ('refine', 'predict', 'combine', 'label', 'train')


@dataclass
class State:
    """Where a run stands; the display reads it.

    Args:
        plan: What is to be done.
        results: Finished stages by key, found in the store or computed now.
        found: Keys that the store already had.
        running: Keys of running stages, with when they were started.
        started: When the run began (monotonic clock).
        told: What the user should know of it, in turn.
    """

    plan: Plan
    results: dict[str, Result] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    running: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    told: list[str] = field(default_factory=list)

    def blocked(self, stage: Stage) -> bool:
        """Whether a parent of this stage failed, so that it cannot run."""
        return any(
            key in self.results and not self.results[key].ok or self.blocked(self.plan.stages[key])
            for _, key in stage.parents
            if key in self.plan.stages
        )

    def ready(self, stage: Stage) -> bool:
        """Whether all parents of this stage succeeded."""
        return all(key in self.results and self.results[key].ok for _, key in stage.parents)

    def to_be_read(self) -> set[str]:
        """Keys of the predictions whose maps are read by stages that still have to run, or run now."""
        return {
            parent
            for key, stage in self.plan.stages.items()
            if key not in self.results
            for kind, parent in stage.parents
            if kind == 'predict' and not self.blocked(stage)
        }

    def open(self) -> list[Stage]:
        """Stages that are neither finished, nor running, nor blocked."""
        return [
            stage
            for key, stage in self.plan.stages.items()
            if key not in self.results and key not in self.running and not self.blocked(stage)
        ]


def look_up(store: Store, plan: Plan, *, retry_failed: bool = False) -> tuple[dict[str, Result], dict[str, str]]:
    """What the store already has of a plan.

    Args:
        store: Where results are kept.
        plan: The plan.
        retry_failed: Count stored failures as missing.

    Returns:
        Results by key, and for every other stage the reason why it must run; a stage below a stored failure is in
        neither, because it cannot run. A prediction without its maps counts as missing where they are to be read.
    """
    results, reasons, before = {}, {}, {}
    for key, stage in plan.stages.items():
        try:
            result = store.get(stage.kind, key)
        except Damaged as error:
            reasons[key] = f'its stored result is damaged: {error}'
            continue
        if result is None:
            if stage.kind not in before:
                before[stage.kind] = store.newest(stage.kind)
            reasons[key] = explain_miss(stage, before[stage.kind].get(stage.label))
        elif not result.ok and retry_failed:
            reasons[key] = f'it failed before ({result.status}) and is tried again'
        else:
            results[key] = result
    state = State(plan, results)
    for key in state.to_be_read() & results.keys():
        if not results[key].whole:
            del results[key]
            reasons[key] = 'its maps were not kept (--max-maps)'
    return results, {key: reason for key, reason in reasons.items() if not state.blocked(plan.stages[key])}


def explain_miss(stage: Stage, before: Result | None) -> str:
    """Why a stage has no result: nothing of its label was run before, or what has changed since."""
    if before is None:
        return 'not run yet'
    return 'changed: ' + ', '.join(what_changed(before.ingredients, stage.ingredients))


class Driver:
    """Runs a plan to its end.

    Args:
        plan: The plan.
        store: Where results are kept.
        launcher: Starts, polls and cancels stages.
        found: Results that the store already has, by key; see :func:`look_up`.
        device: ``cpu`` or ``cuda``.
        jobs: How many processes at once; measuring stages always run alone.
        retry_failed: Run stages again whose stored result is a failure.
        budget: What maps may take; None keeps all.
        gpu: Says whether a stage fits on the GPU beside those that run; None where ``jobs`` says it all.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        launcher: LocalLauncher,
        found: Mapping[str, Result],
        *,
        device: str,
        jobs: int,
        retry_failed: bool = False,
        budget: MapBudget | None = None,
        gpu: GpuMemory | None = None,
    ) -> None:
        self.plan, self.store, self.launcher = plan, store, launcher
        self.device, self.jobs, self.retry_failed, self.budget = device, jobs, retry_failed, budget
        self.gpu = gpu
        self.state = State(plan, dict(found), set(found))
        self.reopened: set[str] = set()
        self.processes: dict[str, Process] = {}  # by the key of a running stage, all that run with it
        self.apart: set[str] = set()  # keys of a pass that failed: each then runs on its own, to see which one it is
        self.crowded: set[str] = set()  # keys that failed beside others on a GPU: each then has the machine to itself
        self.held_back: Process = ()  # the first in line that did not fit on the GPU
        self.passes: dict[str, str | None] = {}
        self.granted: dict[Process, int] = {}  # by process, the bytes of maps that it may write unread
        for key, result in found.items():
            self._learn(plan.stages[key], result)

    def run(self, show: Callable[[State], None]) -> State:
        """Run until nothing is left that can run; ``show`` is called after each look at the running stages.

        Ctrl-C, or any other exception, ends the running stages and passes on; what had finished stays.
        """
        state = self.state
        try:
            self._drop_maps()
            self._start()
            while True:
                # Nothing else lets a stage start, and to look through a large plan takes long.
                if self._collect() or self.held_back and self._fits(self.held_back):
                    self._start()
                show(state)
                if not state.running and not state.open():
                    return state
                time.sleep(POLL_S)
        finally:
            self.launcher.cancel_all()

    def _collect(self) -> bool:
        """Take in what has ended; whether anything has."""
        ended = self.launcher.poll()
        for key, complaint in ended.items():
            del self.state.running[key]
            stage, together = self.plan.stages[key], self.processes.pop(key)
            if complaint == PARENT_GONE and key not in self.reopened:
                self.reopened.add(key)  # once: a disk that damages what is written would keep a stage going for ever
                self._reopen_parents(stage)
                continue
            if complaint is not None and len(together) > 1:
                self.apart.add(key)
                continue
            if complaint == NO_ROOM and key not in self.crowded:
                self.crowded.add(key)  # and nothing is stored: where this driver is killed, the next one runs it again
                self.state.told.append(f'{stage.kind:8}{stage.label}: failed beside others, is run again alone')
                continue
            self.state.results[key] = self._result(stage, complaint)
            self._learn(stage, self.state.results[key])
        if ended:
            self._drop_maps()
        return bool(ended)

    def _learn(self, stage: Stage, result: Result) -> None:
        if self.gpu is not None:
            self.gpu.learn(stage, result)

    def _fits(self, process: Process) -> bool:
        return self.gpu is None or self.gpu.fits(process, set(self.processes.values()), self.state.running)

    def _drop_maps(self) -> None:
        if self.budget is not None:
            self.budget.enforce(self.state.to_be_read())

    def _reopen_parents(self, stage: Stage) -> None:
        for _, parent in stage.parents:
            self.state.results.pop(parent, None)
            stored = self._stored(self.plan.stages[parent])  # another driver may have computed it again, or failed to
            if stored is not None and (stored.whole or not stored.ok):
                self.state.results[parent] = stored

    def _stored(self, stage: Stage) -> Result | None:
        try:
            return self.store.get(stage.kind, stage.key)
        except Damaged:
            return None

    def _result(self, stage: Stage, complaint: str | None) -> Result:
        """The stored result; where the process left none, a failure is stored in its place."""
        if complaint is None:
            try:
                result = self.store.get(stage.kind, stage.key)
                if result is not None:
                    return result
                complaint = 'the process ended without a result'
            except Damaged as error:
                complaint = str(error)
        status = 'timeout' if complaint == 'timeout' else 'failed'
        reason = f'longer than {self.launcher.timeout_s:g} s' if status == 'timeout' else complaint
        return self._store_failure(stage, status, reason)

    def _store_failure(self, stage: Stage, status: str, reason: str) -> Result:
        try:
            with self.store.writing(stage.key) as folder:
                meanwhile = self._stored(stage)  # another driver may have held the key while this one gave up on it
                if (
                    meanwhile is not None
                    and meanwhile.ok
                    and (meanwhile.whole or stage.key not in self.state.to_be_read())
                ):
                    return meanwhile
                self.store.rescue(stage.key, LOG, folder)  # what the stage said before it was ended
                return self.store.commit(
                    stage.kind,
                    stage.key,
                    folder,
                    status=status,
                    reason=reason,
                    facts={},
                    ingredients=stage.ingredients,
                    label=stage.label,
                )
        except OSError as error:  # a full disk must not cost the results that are there
            return Result(
                self.store.folder(stage.kind, stage.key),
                status,
                f'{reason} ({error})',
                {},
                stage.ingredients,
                stage.label,
            )

    def _start(self) -> None:
        waiting, later = [], set()
        for stage in self.state.open():
            if self.state.ready(stage):
                waiting.append(stage)
            else:
                later.add(self._pass(stage))
        # A stage whose pass others are still to join can wait for them, unless there is nothing else to do, or what it
        # reads takes room that is scarce.
        joined_later = later - {None} if self.budget is None else ()
        work = sorted(
            (stage for stage in waiting if not self._runs_alone(stage)),
            key=lambda stage: (self._pass(stage) in joined_later, ORDER.index(stage.kind)),
        )
        self.held_back = ()
        taken = any(self._runs_alone(self.plan.stages[key]) for key in self.state.running)
        for stage in work if not taken else []:
            free = self.jobs - len(set(self.processes.values()))
            if free <= 0:
                return
            if stage.key not in self.state.running:
                together = self._with_its_pass(stage, work, free)
                process = tuple(one.key for one in together)
                if not self._fits(process):  # others wait behind it, so that they do not keep its room from it for ever
                    self.held_back = process
                    return
                self._submit(*together)
        if not self.state.running and not work:  # what is left gets the machine to itself, one by one
            for stage in sorted(waiting, key=lambda stage: stage.kind == 'profile')[:1]:
                self._submit(stage)

    def _runs_alone(self, stage: Stage) -> bool:
        return stage.kind == 'profile' or stage.key in self.crowded

    def _with_its_pass(self, stage: Stage, work: list[Stage], free: int) -> list[Stage]:
        """This stage, and those of ``work`` that the same process computes in its pass."""
        own = self._pass(stage)
        if own is None:
            return [stage]
        return begun_together(
            [
                stage,
                *(
                    other
                    for other in work
                    if other is not stage and other.key not in self.state.running and self._pass(other) == own
                ),
            ],
            free,
        )

    def _pass(self, stage: Stage) -> str | None:
        if stage.key not in self.passes:
            self.passes[stage.key] = shared_pass(stage)
        return None if stage.key in self.apart else self.passes[stage.key]

    def _submit(self, *stages: Stage) -> None:
        together, read = tuple(stage.key for stage in stages), self.state.to_be_read()
        alone = any(map(self._runs_alone, stages))
        room = self._grant(together, sum(stage.kind == 'predict' and stage.key not in read for stage in stages))
        self.launcher.submit(
            *(
                Task(
                    stage.kind,
                    stage.key,
                    stage.label,
                    stage.config,
                    stage.parents,
                    stage.ingredients,
                    str(self.store.root),
                    self.device,
                    again=self.retry_failed,
                    is_read=stage.key in read,
                    alone=alone,
                    packed=self.gpu is not None and not alone,
                    options=dict(room=None if stage.key in read else room) if stage.kind == 'predict' else {},
                )
                for stage in stages
            )
        )
        for stage in stages:
            self.processes[stage.key] = together
            self.state.running[stage.key] = time.monotonic()

    def _grant(self, together: tuple[str, ...], unread: int) -> int | None:
        """How many bytes the maps may take that a process writes for so many unread predictions; None for all."""
        if self.budget is None or not unread:
            return None
        self.granted = {keys: self.granted.get(keys, 0) for keys in set(self.processes.values())}
        self.granted[together] = self.budget.room(self.plan.stages, sum(self.granted.values()), unread)
        return self.granted[together]
