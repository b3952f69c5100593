"""Which stages start next: the scheduler's policy, as a function of where the run stands.

Its rules:

* **Late kinds first.** Refinements start before predictions, predictions before trainings: a kill cannot cost a cell
  that was finished early.
* **Seed by seed, and within a seed the longest first.** A run that is stopped has all rows at fewer seeds, not few
  rows at all seeds. Where the longest came last, other jobs would idle at the end. How long a stage takes with all that
  waits for it is known from earlier runs and from stages that have finished. Where nothing is known, stacks of more
  techniques train, predict and refine longer.
* **At the end the longest chain first of all.** A chain that takes longer than two thirds of each job's share of the
  work that is left (:data:`LAST_ROUNDS`) would end last, so it starts before the late kinds, of whatever seed it is.
* **Batches.** Stages that share a pass start as one process. A stage lets other stages start first while some of its
  batch still wait for their parents; an idle job takes it all the same. Where the disk space of maps is limited, it
  does not wait, because the maps that it reads take space until it has run.
* **At most** ``jobs`` **processes.**
* **GPU memory.** The first process that does not fit beside the running ones is held back, and all behind it wait, so
  that smaller stages do not keep the memory from it for ever.
* **The machine to itself.** A stage that runs alone starts when nothing else runs and no other stage is ready, here or
  with another driver of this machine; nothing starts beside it. Stages that measure come after those that failed on a
  shared GPU.
* **Other drivers.** A stage that another driver computes is left out, so that its place goes to the next one.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from benchmarks.kinds import BY_NAME, NAMES
from benchmarks.plan.batching import take_batch
from benchmarks.plan.plan import Stage

Process = tuple[str, ...]  # keys of the stages that run in one process


# In so many rounds of the longest chain the work that is left would be done. With fewer a long chain of the last seed
# may begin too late: on the recorded quickstart 15 % were lost with 8 jobs. With more, rows wait for other seeds.
LAST_ROUNDS = 1.5


def always_fits(process: Process, beside: frozenset[Process]) -> bool:
    """The answer for stages that need no GPU memory, or of which one runs at a time."""
    return True


def rush_s(work_s: float, jobs: int, *, maps_limited: bool) -> float:
    """The seconds from which on a chain comes first of all; infinite if none does.

    Args:
        work_s: See :class:`View`; so for the arguments below.
        jobs: The most processes at once.
        maps_limited: Whether the disk space of maps is limited.
    """
    return math.inf if maps_limited or work_s <= 0 else work_s / jobs / LAST_ROUNDS


def own_turn(stage: Stage, chain_s: float) -> tuple:
    """The place of a stage in the queue by what does not depend on the others; the smallest comes first.

    Args:
        stage: The stage.
        chain_s: The seconds of the stage with the longest chain that waits for it; 0 if they are not known.
    """
    return -NAMES.index(stage.kind), stage.seed or 0, stage.fold or 0, -chain_s, -len(stage.stack)


@dataclass(frozen=True)
class View:
    """All that the scheduler knows of a run at one moment.

    Args:
        ready: Stages that could run now, in the plan's order, but for those that another driver computes; of those that
            cannot come next some may be left out.
        running: The running processes.
        jobs: The most processes at once.
        batches: Each ready stage's batch key, by its key; a stage without an entry, or with None, runs on its own.
        batches_to_come: Batch keys of stages whose parents still have to run.
        alone: Keys of the stages, ready or running, that need the machine to themselves.
        maps_limited: Whether the disk space of maps is limited.
        fits: Whether a process fits on the GPU beside others.
        seconds: How long each ready stage takes with the longest chain that waits for it, by key, as far as known.
        work_s: The seconds of all stages that have not started, but for those that run alone; 0 if nothing is known.
    """

    ready: tuple[Stage, ...]
    running: frozenset[Process]
    jobs: int
    batches: Mapping[str, str | None] = field(default_factory=dict)
    batches_to_come: Collection[str] = frozenset()
    alone: frozenset[str] = frozenset()
    maps_limited: bool = False
    fits: Callable[[Process, frozenset[Process]], bool] = always_fits
    seconds: Mapping[str, float] = field(default_factory=dict)
    work_s: float = 0.0

    @cached_property
    def queue(self) -> list[Stage]:
        """Ready stages that may run beside others, in the order in which they start."""
        beside_others = [stage for stage in self.ready if stage.key not in self.alone]
        return sorted(beside_others, key=self._turn)

    def _turn(self, stage: Stage) -> tuple:
        chain_s = self.seconds.get(stage.key, 0.0)
        ends_last = chain_s > rush_s(self.work_s, self.jobs, maps_limited=self.maps_limited)
        return -chain_s if ends_last else 0.0, self._waits(stage), *own_turn(stage, chain_s)

    def _waits(self, stage: Stage) -> bool:
        """Whether stages that could join this stage's batch still have to become ready."""
        return not self.maps_limited and self.batches.get(stage.key) in self.batches_to_come

    def batch_of(self, stage: Stage, taken: set[str], free: int) -> list[Stage]:
        """This stage, and those of its batch that the same process computes.

        Args:
            stage: The stage.
            taken: Keys of the stages that start before it.
            free: The number of processes that could be started.
        """
        batch = self.batches.get(stage.key)
        if batch is None:
            return [stage]
        others = [
            other
            for other in self.queue
            if other is not stage and other.key not in taken and self.batches.get(other.key) == batch
        ]
        return take_batch([stage, *others], free)


@dataclass(frozen=True)
class Decision:
    """The answer of the scheduler.

    Args:
        start: The stages of each process to start, in order.
        held_back: The process that would start next if it fitted on the GPU; empty if there is none.
    """

    start: tuple[tuple[Stage, ...], ...] = ()
    held_back: Process = ()


def decide(view: View) -> Decision:
    """The processes to start now, and the one that is held back."""
    if any(key in view.alone for process in view.running for key in process):
        return Decision()
    if not view.queue:
        return Decision() if view.running else _start_alone(view)
    start: list[tuple[Stage, ...]] = []
    running, taken = view.running, set[str]()
    for stage in view.queue:
        free = view.jobs - len(running)
        if free <= 0:
            break
        if stage.key in taken:
            continue
        batch = tuple(view.batch_of(stage, taken, free))
        process = tuple(member.key for member in batch)
        if not view.fits(process, running):
            return Decision(tuple(start), held_back=process)
        start.append(batch)
        running |= {process}
        taken.update(process)
    return Decision(tuple(start))


def _start_alone(view: View) -> Decision:
    """The first stage that gets the machine to itself; stages that measure come last."""
    in_order = sorted(view.ready, key=lambda stage: BY_NAME[stage.kind].measures_alone)
    return Decision(tuple((stage,) for stage in in_order[:1]))
