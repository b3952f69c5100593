"""How long the scheduler takes for stages of known duration, against the shortest time that any order could take.

Nothing runs: a clock jumps from the end of one process to the next, and :func:`benchmarks.run.schedule.decide` chooses
what starts. ``python -m benchmarks.speed.makespan DURATIONS.json JOBS`` prints both times for recorded stages.
"""

import heapq
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Plan, Stage
from benchmarks.run.retries import Retries
from benchmarks.run.schedule import Process, always_fits, decide
from benchmarks.run.state import State
from benchmarks.run.view import Seconds, Viewer
from benchmarks.store.store import Result

Recorded = tuple[Plan, dict[str, float]]


def makespan(plan: Plan, took: Mapping[str, float], jobs: int, known: Seconds | None = None) -> float:
    """The seconds from the start of the first stage to the end of the last.

    Args:
        plan: The plan.
        took: The seconds of each stage, by key; a process takes the sum of those of its stages.
        jobs: The most processes at once.
        known: What the scheduler knows of the durations; None if it knows nothing.
    """
    state = State(plan)
    viewer = Viewer(state, Retries(), known)
    running: list[tuple[float, Process]] = []
    now = 0.0
    while True:
        processes = frozenset(process for _, process in running)
        for stages in decide(viewer.view(processes, jobs, maps_limited=False, fits=always_fits)).start:
            process = tuple(stage.key for stage in stages)
            state.running |= dict.fromkeys(process, now)
            heapq.heappush(running, (now + sum(took[key] for key in process), process))
        if not running:
            return now
        now, process = heapq.heappop(running)
        for key in process:
            del state.running[key]
            state.results[key] = Result(Path(key), 'ok', None, {}, {}, '', True)


def least(plan: Plan, took: Mapping[str, float], jobs: int) -> float:
    """The seconds below which no order comes.

    It is the largest of three, and the seconds of what runs alone:

    * the work over the jobs,
    * the longest chain,
    * of ``k · jobs + 1`` stages, the ``k + 1`` shortest, because one job gets so many of them, and the shortest chain
      that waits for one of these stages.
    """
    alone = [key for key, stage in plan.stages.items() if BY_NAME[stage.kind].measures_alone]
    beside = [key for key in plan.stages if BY_NAME[plan.stages[key].kind].measures_alone is False]
    after = dict.fromkeys(plan.stages, 0.0)  # the longest chain that waits for a stage
    for key in reversed(beside):  # parents stand before their children in a plan
        for _, parent in plan.stages[key].parents:
            after[parent] = max(after[parent], took[key] + after[key])
    chain = max((took[key] + after[key] for key in beside), default=0.0)
    shared = max(
        sum(took[key] for key in beside) / jobs, chain, _crowded([(took[key], after[key]) for key in beside], jobs)
    )
    return shared + sum(took[key] for key in alone)


def _crowded(stages: list[tuple[float, float]], jobs: int) -> float:
    """The bound by the number of stages: (seconds, seconds of the chain that waits for it) of each."""
    longest = sorted(stages, reverse=True)
    bounds = [0.0]
    for each in range(1, (len(stages) - 1) // jobs + 1):
        crowd = longest[: each * jobs + 1]
        bounds.append(sum(seconds for seconds, _ in crowd[-each - 1 :]) + min(chain for _, chain in crowd))
    return max(bounds)


def read_recorded(path: Path) -> Recorded:
    """A plan with the durations of its stages.

    Args:
        path: A JSON list of stages, parents first: kind, stack, seed, role, batch, seconds, and the places of parents.
    """
    stages: list[Stage] = []
    took = {}
    for place, (kind, stack, seed, role, batch, seconds, parents) in enumerate(json.loads(path.read_text())):
        read = tuple((stages[parent].kind, stages[parent].key) for parent in parents)
        config = dict(test_dataloader=batch) if BY_NAME[kind].shares == 'images' else dict(pass_of=batch)
        stages.append(Stage(kind, str(place), tuple(stack), seed, role, config, read, {}))
        took[str(place)] = seconds
    return Plan([], {stage.key: stage for stage in stages}, {}, []), took


def main(path: Path, jobs: int, say: Callable[[str], object] = print) -> None:
    """Print the makespans of recorded stages."""
    plan, took = read_recorded(path)
    shortest = least(plan, took, jobs)
    for name, known in (('nothing is known', None), ('durations are known', lambda keys: took)):
        seconds = makespan(plan, took, jobs, known)
        say(f'{jobs} jobs, {name}: {seconds:.0f} s, {seconds / shortest - 1:.1%} above the least, {shortest:.0f} s')


if __name__ == '__main__':
    main(Path(sys.argv[1]), int(sys.argv[2]))
