"""Which stages go into which job.

A job is submitted long before it runs, and its driver is gone by then. So a job gets whole chains: a training, and all
that reads it alone. A stage whose parents are in two jobs waits until they have finished, and so does a stage that
reads the first of several parents that succeeds, such as a measurement.
"""

import heapq
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from benchmarks.kinds import BY_NAME
from benchmarks.plan.plan import Stage
from benchmarks.run.state import State

MOST_JOBS = 1000  # of one submission: Slurm's default limit of an array


@dataclass(frozen=True)
class Pack:
    """The stages of one job.

    Args:
        stages: In an order in which they can run.
        alone: Whether the job has a node to itself.
    """

    stages: tuple[Stage, ...]
    alone: bool = False


def packs(
    state: State,
    submitted: Collection[str],
    singly: Collection[str],
    seconds: Mapping[str, float],
    target_s: float,
    most: int = MOST_JOBS,
) -> list[Pack]:
    """The jobs that can be submitted now.

    Args:
        state: Where the run stands.
        submitted: Keys of stages in jobs that wait or run.
        singly: Keys of stages that get a job of their own.
        seconds: Estimated seconds of stages, by key; a stage without one is taken to fill a job.
        target_s: Chains are packed into jobs that take about so long.
        most: The most jobs that share nodes; where there are more, they get longer.
    """
    open_stages = [stage for stage in state.open() if stage.key not in submitted]
    chains = _chains(state, open_stages)
    apart = [chain for chain in chains if _alone(chain[0]) or any(stage.key in singly for stage in chain)]
    together = [chain for chain in chains if chain not in apart]
    return [
        *(Pack(tuple(chain)) for chain in _packed(together, seconds, target_s, most)),
        *(Pack(tuple(chain), alone=_alone(chain[0])) for chain in apart),
    ]


def _alone(stage: Stage) -> bool:
    return BY_NAME[stage.kind].measures_alone


def _chains(state: State, open_stages: list[Stage]) -> list[list[Stage]]:
    """Stages that are ready, each with all that depends on nothing else; a measurement joins none."""
    chain_of: dict[str, list[Stage]] = {}
    chains: list[list[Stage]] = []
    waiting = list(open_stages)
    while True:
        rest = []
        for stage in waiting:
            if state.ready(stage):
                chain_of[stage.key] = [stage]
                chains.append(chain_of[stage.key])
            elif (joined := _joined(state, stage, chain_of)) is not None:
                chain_of[stage.key] = joined
                joined.append(stage)
            else:
                rest.append(stage)
        if len(rest) == len(waiting):
            return chains
        waiting = rest


def _joined(state: State, stage: Stage, chain_of: Mapping[str, list[Stage]]) -> list[Stage] | None:
    """The chain that a stage with unfinished parents joins; None if it has to wait for them."""
    if _alone(stage) or stage.configs:
        return None
    missing = [key for _, key in stage.parents if key not in state.results or not state.results[key].ok]
    chains = {id(chain_of.get(key)): chain_of.get(key) for key in missing}
    return next(iter(chains.values())) if len(chains) == 1 else None


def _packed(chains: list[list[Stage]], seconds: Mapping[str, float], target_s: float, most: int) -> list[list[Stage]]:
    """Chains in jobs of about equal length, the longest chains first; the longest job comes first."""
    lengths = [(sum(seconds.get(stage.key, target_s) for stage in chain), chain) for chain in chains]
    number = min(most, len(chains), max(1, round(sum(min(length, target_s) for length, _ in lengths) / target_s)))
    heap = [(0.0, job) for job in range(number if chains else 0)]
    jobs: dict[int, list[Stage]] = defaultdict(list)
    total: dict[int, float] = {}
    for length, chain in sorted(lengths, key=lambda item: -item[0]):
        taken, job = heapq.heappop(heap)
        jobs[job] += chain
        total[job] = taken + length
        heapq.heappush(heap, (total[job], job))
    return [jobs[job] for job in sorted(jobs, key=lambda job: (-total[job], job))]
