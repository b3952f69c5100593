"""Where a run stands: which stages are done, which can run, and why the others must."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from benchmarks.kinds import BY_NAME, WITH_MAPS
from benchmarks.plan.plan import Plan, Stage, Step, what_changed
from benchmarks.run.standings import Noted, Standing, Standings
from benchmarks.store.store import Damaged, Result, Store


@dataclass
class State:
    """Where a run stands; the display reads it.

    Args:
        plan: The plan that is run.
        results: Finished stages by key, from the store or computed by this run.
        cached: Keys whose results the store had before the run.
        running: Keys of running stages, with the time of their start (monotonic clock).
        started: Start of the run (monotonic clock).
        messages: Lines for the user, in the order in which they came up.
        earlier: Good results in the store of stages that run again. They stay there until the new ones are stored.
        waits_for: Stages for which jobs are idle, by key, and the driver that computes each.
    """

    plan: Plan
    results: dict[str, Result] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)
    running: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    messages: list[str] = field(default_factory=list)
    earlier: dict[str, Result] = field(default_factory=dict)
    waits_for: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results, self.running = Noted(self.results), Noted(self.running)

    @cached_property
    def standings(self) -> Standings:
        """Where each stage stands, for those who ask often."""
        noted = cast(Noted, self.results), cast(Noted, self.running)
        return Standings(self.plan, self._standing, noted)

    def _standing(self, stage: Stage) -> Standing:
        if stage.key in self.results:
            return Standing.DONE
        if stage.key in self.running:
            return Standing.RUNNING
        if self.blocked(stage):
            return Standing.BLOCKED
        return Standing.READY if self.ready(stage) else Standing.WAITING

    @property
    def results_so_far(self) -> dict[str, Result]:
        """The results that a report of this moment rests on: where a stage runs again, its earlier result."""
        return self.earlier | self.results

    def blocked(self, stage: Stage) -> bool:
        """Whether parents of this stage failed, so that the stage cannot run."""
        lost = self._lost_to if BY_NAME[stage.kind].without_diverged else self._lost
        return bool(stage.parents) and all(any(map(lost, group)) for group in stage.alternatives)

    def _lost_to(self, step: Step) -> bool:
        """Whether a stage failed, or cannot run, for another reason than that a training diverged."""
        return self._lost(step) and not self._diverged(step)

    def _diverged(self, step: Step) -> bool:
        """Whether the training of a stage diverged: its own, or all of those for want of which it cannot run.

        A choice among trials that all diverged ends as diverged, too, but leaves nothing to take.
        """
        kind, key = step
        if key in self.results:
            return BY_NAME[kind].trains and self.results[key].status == 'diverged'
        if not self.blocked(self.plan.stages[key]):
            return False
        lost = [parent for parent in self.plan.stages[key].parents if self._lost(parent)]
        return bool(lost) and all(map(self._diverged, lost))

    def _lost(self, step: Step) -> bool:
        """Whether a stage of the plan failed, or cannot run."""
        _, key = step
        failed = key in self.results and not self.results[key].ok
        return key in self.plan.stages and (failed or self.blocked(self.plan.stages[key]))

    def _good(self, step: Step) -> bool:
        return step[1] in self.results and self.results[step[1]].ok

    def ready(self, stage: Stage) -> bool:
        """Whether the parents that this stage reads succeeded."""
        if BY_NAME[stage.kind].without_diverged:
            return all(self._good(parent) or self._diverged(parent) for parent in stage.parents)
        return not stage.parents or any(all(map(self._good, group)) for group in stage.alternatives)

    def read_by(self, stage: Stage) -> tuple[dict, tuple[Step, ...]]:
        """The config that a ready stage runs with, and (kind, key) of the results that it reads."""
        for group, config in zip(stage.alternatives, stage.configs):
            if all(map(self._good, group)):
                return config, group
        if BY_NAME[stage.kind].without_diverged:
            return stage.config, tuple(parent for parent in stage.parents if self._good(parent))
        return stage.config, stage.parents

    def maps_needed(self) -> set[str]:
        """Keys of the predictions whose maps are input of stages that still have to run, or run now."""
        return {
            parent
            for key, stage in self.plan.stages.items()
            if key not in self.results
            for kind, parent in stage.parents
            if kind in WITH_MAPS and BY_NAME[stage.kind].reads_maps
            if key in self.running or not self.blocked(stage)
        }

    def open(self) -> list[Stage]:
        """Stages that are neither finished, nor running, nor blocked."""
        return [
            stage
            for key, stage in self.plan.stages.items()
            if key not in self.results and key not in self.running and not self.blocked(stage)
        ]


def look_up(
    store: Store,
    plan: Plan,
    *,
    retry_failed: bool | Set[str] = False,
    again: Set[str] = frozenset(),
    before: Set[str] | None = None,
) -> tuple[dict[str, Result], dict[str, str]]:
    """The results of a plan that the store already has.

    Args:
        store: Where results are kept.
        plan: The plan.
        retry_failed: Count stored failures as missing: all, none, or those of these keys.
        again: Keys of stages that run again although they have a result, which stays until the new one is stored.
        before: Keys of this grid's last plan. A miss is explained by a change only against their results, because a
            result of another grid may have the same label. By default all results count.

    Returns:
        Results by key, and for each stage that must run the reason. A stage below a stored failure is in neither,
        because it cannot run. A prediction whose maps were dropped counts as missing where a stage still needs them.
    """
    results: dict[str, Result] = {}
    reasons: dict[str, str] = {}
    missing: list[Stage] = []
    retried = retry_failed if isinstance(retry_failed, Set) else plan.stages.keys() if retry_failed else frozenset()
    for key, stage in plan.stages.items():
        try:
            result = store.get(stage.kind, key)
        except Damaged as error:
            reasons[key] = f'its stored result is damaged: {error}'
            continue
        if result is None:
            missing.append(stage)
            reasons[key] = ''  # explained below
        elif key in again:
            reasons[key] = 'measured again (--reprofile)'
        elif not result.ok and key in retried:
            reasons[key] = f'it failed before ({result.status}) and is tried again'
        else:
            results[key] = result.sharing(stage.ingredients)
    reasons |= _explained(missing, store, results.keys(), before)
    state = State(plan, results)
    for key in state.maps_needed() & results.keys():
        if not results[key].whole:
            del results[key], state.results[key]
            reasons[key] = 'its maps were not kept (--max-maps)'
    return results, {key: reason for key, reason in reasons.items() if not state.blocked(plan.stages[key])}


def _explained(
    missing: Iterable[Stage], store: Store, found: Set[str], before: Set[str] | None
) -> Iterator[tuple[str, str]]:
    """Why stages have no result, by key. A result that the plan still has is no earlier version of another stage."""
    of_kind = defaultdict[str, dict[str, list[Stage]]](lambda: defaultdict(list))
    for stage in missing:
        of_kind[stage.kind][stage.label].append(stage)
    for kind, by_label in of_kind.items():
        newest = store.newest(kind, by_label.keys(), among=before, but=found)
        for label, stages in by_label.items():
            yield from ((stage.key, explain_miss(stage, newest.get(label))) for stage in stages)


def explain_miss(stage: Stage, newest: Result | None) -> str:
    """Why a stage has no result.

    Args:
        stage: The stage.
        newest: The newest stored result with the stage's kind and label; None if there is none.
    """
    if newest is None:
        return 'not run yet'
    return 'changed: ' + ', '.join(what_changed(newest.ingredients, stage.ingredients))
