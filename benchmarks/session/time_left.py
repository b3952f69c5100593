"""The time that a plan may take, before the run and during it: joins the plan's work with what durations are known.

Known are the durations that earlier runs in this work dir left in ``cache/durations.json``, in units that do not depend
on the grid; those of stored results of the same kind, per step or image; and, during a run, those of its finished
stages and the progress of the running ones. In a new work dir nothing is known until the first steps of a stage.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.files import read_json, write_json
from benchmarks.kinds import NAMES
from benchmarks.plan.plan import Plan
from benchmarks.run.state import State
from benchmarks.session.estimate import Estimator, Took, Work, total_s
from benchmarks.session.work import Extent, unknown_extent, work_of
from benchmarks.store.store import Result, Store

MEMORY = 'durations.json'
REMEMBERED = 400
FEWEST_STEPS = 3  # of a running stage, before its progress tells how long it will take
OVERDUE = 0.25  # a stage that takes longer than estimated may take that much longer than so far


class TimeLeft:
    """Estimates how long the stages of a plan take.

    Args:
        plan: The plan.
        store: The store of its results.
        jobs: How many stages run at once.
        extent: From a data set's config to its number of images and their pixels.
        cache: The folder of remembered facts; None remembers nothing.
    """

    def __init__(
        self, plan: Plan, store: Store, jobs: int, extent: Extent = unknown_extent, cache: Path | None = None
    ) -> None:
        self.plan, self.store, self.jobs = plan, store, jobs
        self.work = work_of(plan, extent)
        self._memory = cache / MEMORY if cache else None
        self._remembered = list(_read(self._memory)) if self._memory else []
        self._stored = list(self._from_store({took.work.kind for took in self._remembered}))
        self._finished: dict[str, Took] = {}

    def planned_s(self, keys: Collection[str]) -> tuple[float, list[str]]:
        """The seconds of these stages together, and the kinds of which nothing is known."""
        known = self.estimates(keys)
        unknown = {self.work[key].kind for key in set(keys) - known.keys()}
        return self._total(known), [kind for kind in NAMES if kind in unknown]

    def estimates(self, keys: Collection[str]) -> dict[str, float]:
        """The seconds of each of these stages, by key, as far as anything is known to tell them by."""
        estimator = Estimator([*self._remembered, *self._stored])
        seconds = {key: estimator.seconds(self.work[key]) for key in keys}
        return {key: value for key, value in seconds.items() if value is not None}

    def left_s(self, state: State) -> float | None:
        """The seconds that are left of a run; None as long as nothing is known."""
        progress = {key: self.store.progress(key) for key in state.running}
        by_progress = {key: seconds for key, one in progress.items() if (seconds := _whole_s(one)) is not None}
        running = [Took(self.work[key], seconds) for key, seconds in by_progress.items() if not self.work[key].alone]
        own = [*self._finished.values(), *running]
        estimator = Estimator([*own, *self._older_than(own)])
        now, left = time.monotonic(), {}
        for stage in [*state.open(), *(self.plan.stages[key] for key in state.running)]:
            seconds = estimator.seconds(self.work[stage.key])
            if seconds is None:
                return None
            left[stage.key] = seconds
        for key, started in state.running.items():
            ran = now - started
            left[key] = progress[key]['eta_s'] if key in by_progress else max(left[key] - ran, OVERDUE * ran)
        return self._total(left)

    def learn(self, key: str, result: Result) -> None:
        """Learn from a stage that this run has finished, and remember it for later runs."""
        seconds = result.facts.get('seconds') if result.ok else None
        if seconds is None:
            return
        took = Took(self.work[key], seconds / (result.facts.get('stacks_in_pass') or 1))
        self._finished[key] = took
        if self._memory:
            self._remembered = [*self._remembered, took][-REMEMBERED:]
            write_json(self._memory, [asdict(one) for one in self._remembered])

    def _total(self, seconds: dict[str, float]) -> float:
        parents = {key: [parent for _, parent in self.plan.stages[key].parents] for key in seconds}
        return total_s(seconds, parents, {key for key in seconds if self.work[key].alone}, self.jobs)

    def _older_than(self, own: list[Took]) -> Iterator[Took]:
        """What earlier runs tell of kinds of which this run knows nothing yet: the machine may be busier now."""
        known = {took.work.kind for took in own}
        return (took for took in (*self._remembered, *self._stored) if took.work.kind not in known)

    def _from_store(self, known: Collection[str]) -> Iterator[Took]:
        """Durations of stored results per step or image, scaled to a stage of this plan; for kinds without better."""
        for kind in {work.kind for work in self.work.values()}.difference(known):
            for result in self.store.stored(kind):
                seconds = result.facts.get('seconds') if result.ok else None
                if seconds:
                    yield Took(self._like_a_stage(kind, result), seconds / (result.facts.get('stacks_in_pass') or 1))

    def _like_a_stage(self, kind: str, result: Result) -> Work:
        """The work of a stored result, on the assumption that its images are as large as this plan's."""
        stage = next(stage for stage in self.plan.stages.values() if stage.kind == kind)
        steps = (stage.config.get('train_cfg') or {}).get('max_iters') if kind == 'train' else None
        done = result.facts.get('iterations')
        scale = done / steps if steps and done else 1.0
        return Work(kind, '', self.work[stage.key].amount * scale, self.work[stage.key].alone)


def _whole_s(progress: dict) -> float | None:
    """The seconds of a whole running stage, from its steps so far."""
    step, total, left = (progress.get(name) for name in ('step', 'total', 'eta_s'))
    if not step or not total or left is None or step < min(FEWEST_STEPS, total) or step >= total:
        return None
    return left / (total - step) * total


def _read(path: Path) -> Iterator[Took]:
    content = read_json(path)
    for one in content if isinstance(content, list) else []:
        try:
            yield Took(Work(**one['work']), float(one['seconds']))
        except (KeyError, TypeError, ValueError):
            continue  # written by another version
