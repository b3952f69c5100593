"""Runs a plan through Slurm without a driver that waits: each invocation collects, submits what is missing, and ends.

Which stage is done, only the store says. Of the others the book (:mod:`benchmarks.run.slurm.book`) and the queue tell
which are submitted. A stage whose job has ended without its result is submitted again, unless the way in which it ended
is a result: it had the time limit or the memory of a job to itself, or it was pre-empted too often.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.results import store_failure
from benchmarks.run.slurm.book import Book, Entry
from benchmarks.run.slurm.job import Job
from benchmarks.run.slurm.packs import MOST_JOBS, Pack, packs
from benchmarks.run.slurm.queue import LIVE, Queue
from benchmarks.run.slurm.settings import SlurmSettings
from benchmarks.run.state import State
from benchmarks.store.sole_user import sole_user
from benchmarks.store.store import Result, Store

WHOLE_LIMIT = 0.9  # of the time limit: a stage that had so much of it is late
CROWDED = ('limit', 'out_of_memory')  # the other stages of the job may be the cause
ERRORS = 2  # a job that ends by an error may have met a bad node; two have not
CARRIED = ('ABLATION_WORK_DIR', 'PYTORCH_NVML_BASED_CUDA_CHECK')


@dataclass(frozen=True)
class End:
    """How a job ended that left a stage without a result.

    Args:
        why: ``preempted``, ``limit``, ``out_of_memory``, ``error`` or ``done``.
        left_s: The part of the job's time limit that was left for the stage when it began; None if it had not begun.
        beside: How many other stages were at work.
        text: What a reader needs to find the job.
    """

    why: str
    left_s: float | None
    beside: int
    text: str


@dataclass
class Tally:
    """What an invocation has done.

    Args:
        states: How many jobs are in each state of the queue.
        stages: How many stages these jobs have to compute.
        submitted: How many jobs it has submitted.
        again: Why stages are submitted again, by reason.
    """

    states: Counter[str] = field(default_factory=Counter)
    stages: int = 0
    submitted: int = 0
    again: Counter[str] = field(default_factory=Counter)


class Detached:
    """Collects and submits.

    Args:
        plan: The plan.
        store: Where results are kept.
        found: Results that the store has, by key.
        queue: Where jobs are submitted.
        book: What has been submitted.
        like: A job with the settings of all; its plan and folder are those of no job.
        seconds: Estimates of stages, by key.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        found: Mapping[str, Result],
        queue: Queue,
        book: Book,
        like: Job,
        seconds: Callable[[Collection[str]], Mapping[str, float]] = lambda keys: {},
    ) -> None:
        self.plan, self.store, self.queue, self.book, self.like = plan, store, queue, book, like
        self.settings: SlurmSettings = queue.settings
        self.state = State(plan, dict(found), set(found))
        self.seconds = seconds
        self.tally = Tally()

    def run(self) -> State:
        """Collect what has ended, submit what is missing, and return where the run stands."""
        with sole_user(self.book.folder):  # two invocations at once would submit everything twice
            self.book.sweep()
            submitted, singly = self._collect()
            self._submit(submitted, singly)
        return self.state

    def _collect(self) -> tuple[set[str], set[str]]:
        """The keys of stages in jobs that wait or run, and those of stages that get a job of their own."""
        missing = {stage.key for stage in self.state.open()}
        entries = [entry for entry in self.book.entries() if entry.keys & self.plan.stages.keys()]
        states = self.queue.states([entry.job for entry in entries if entry.keys & missing])
        live = [entry for entry in entries if states.get(entry.job) in LIVE]
        submitted = {key for entry in live for key in entry.keys & missing}
        self.tally.states = Counter(states[entry.job] for entry in live)
        ends: dict[str, list[End]] = {}
        for entry in entries:
            if entry in live:
                continue
            self.book.forget(entry, entry.keys - missing)
            for key in entry.keys & missing - submitted:
                ends.setdefault(key, []).append(self._end(entry, key, states[entry.job]))
        singly = {key for key, each in ends.items() if not self._is_result(key, each)}
        return submitted, {key for key in singly if ends[key][-1].left_s is not None and ends[key][-1].why in CROWDED}

    def _end(self, entry: Entry, key: str, state: str) -> End:
        note = self.book.note(entry.name)
        why = note.ended or _why(state)
        began = note.at_work.get(key)
        left_s = None if began is None else self.settings.time - began
        text = f'job {entry.job}, {state}' + (f': {note.reason}' if note.reason else '')
        return End(why, left_s, len(note.at_work) - 1, f'{text}; log in {self.queue.folder}')

    def _is_result(self, key: str, ends: list[End]) -> bool:
        """Store a failure if the ends of a stage's jobs are one; otherwise it is submitted again."""
        failure = judged(ends, self.settings)
        if failure is None:
            self.tally.again[ends[-1].why] += 1
            return False
        status, reason = failure
        stage = self.plan.stages[key]
        self.state.results[key] = store_failure(
            self.store, stage, status, reason, maps_needed=key in self.state.maps_needed()
        )
        for entry in self.book.entries():
            if key in entry.keys:
                self.book.forget(entry, {key})
        return True

    def _submit(self, submitted: set[str], singly: set[str]) -> None:
        keys = [stage.key for stage in self.state.open()]
        found = packs(self.state, submitted, singly, self.seconds(keys), self.settings.pack)
        for alone in (False, True):
            wanted = [pack for pack in found if pack.alone == alone]
            for first in range(0, len(wanted), MOST_JOBS):
                self._submit_array(wanted[first : first + MOST_JOBS], alone)
        self.tally.stages = len(submitted) + sum(len(pack.stages) for pack in found)

    def _submit_array(self, wanted: list[Pack], alone: bool) -> None:
        names = [self.book.new_name() for _ in wanted]
        jobs = [self._job(pack, self.book.folder / name) for pack, name in zip(wanted, names)]
        numbers = self.queue.submit(jobs, alone=alone)
        for number, name, pack in zip(numbers, names, wanted, strict=True):
            self.book.enter(Entry(name, number, tuple((stage.kind, stage.key) for stage in pack.stages)))
        self.tally.submitted += len(numbers)
        self.tally.states['PENDING'] += len(numbers)

    def _job(self, pack: Pack, folder: Path) -> Job:
        stages, keys = part_of(self.state, pack.stages), frozenset(stage.key for stage in pack.stages)
        return replace(
            self.like,
            plan=Plan([], stages, {}, []),
            folder=str(folder.resolve()),
            again=self.like.again & keys,
            keys=keys,
            side_by_side=1 if pack.alone else self.like.side_by_side,
        )


def judged(ends: list[End], settings: SlurmSettings) -> tuple[str, str] | None:
    """The status and reason of a stage whose jobs ended so; None if it is submitted again.

    Args:
        ends: The ends of its jobs, in their order.
        settings: The limits of jobs.
    """
    last = ends[-1]
    if last.why == 'limit' and last.left_s is not None and last.left_s > WHOLE_LIMIT * settings.time:
        return (
            'timeout',
            f'longer than the time limit of its job, {settings.time / 60:g} min (--slurm time); {last.text}',
        )
    if last.why == 'out_of_memory' and last.left_s is not None and not last.beside:
        limit = f'{settings.mem / 1e9:g} GB' if settings.mem else "the site's default"
        return 'out_of_memory', f'more memory than its job has, {limit} (--slurm mem); {last.text}'
    number = Counter(end.why for end in ends)
    if number['preempted'] >= settings.tries:
        return 'preempted', f'pre-empted {number["preempted"]} times (--slurm tries); {last.text}'
    if number['error'] >= ERRORS:
        return 'failed', f'its job ended {number["error"]} times without a result; {last.text}'
    return None


def _why(state: str) -> str:
    """Why a job has ended that could not say so itself."""
    if state == 'TIMEOUT':
        return 'limit'
    if state == 'OUT_OF_MEMORY':
        return 'out_of_memory'
    # Whoever cancels a job, be it for a job of higher priority, a failed node or a person, has not seen a stage fail.
    return 'error' if state in ('FAILED', 'COMPLETED') else 'preempted'


def part_of(state: State, wanted: Collection[Stage]) -> dict[str, Stage]:
    """Stages with all that they depend on, by key; of several parents of which one is read, that one.

    What a stage depends on is done. A job computes it again only if it is damaged.
    """
    part: dict[str, Stage] = {}
    waiting = list(wanted)
    while waiting:
        stage = waiting.pop()
        if stage.key in part:
            continue
        if stage.configs:
            config, parents = state.read_by(stage)
            stage = replace(stage, config=config, parents=parents, configs=(), together=1)
        part[stage.key] = stage
        waiting += [state.plan.stages[key] for _, key in stage.parents if key in state.plan.stages]
    return {key: part[key] for key in state.plan.stages if key in part}


def carried_environment() -> dict[str, str]:
    """The variables of this process that a job needs."""
    return {name: os.environ[name] for name in CARRIED if name in os.environ}


def carried_path() -> tuple[str, ...]:
    """Where this process imports modules from."""
    return tuple(entry for entry in sys.path if entry)
