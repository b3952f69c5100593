"""Whether a technique had an effect, by the counts of its parts.

A technique may leave every prediction as it is, such as gradient checkpointing. Its parts then count how often they did
their work. A record keeps these counts under ``acted``: ``{'train ClipHook': 31}`` says that the part ``ClipHook`` did
its work 31 times in the stage ``train``.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from benchmarks.record import cell_name

EffectCounts = Mapping[str, Mapping[str, int]]  # by cell, then by stage and part


class Evidence(NamedTuple):
    """The parts of a stack that had an effect, and those that had none.

    Args:
        active: Parts that did their work more often than in the reference, in every shared seed.
        inactive: Parts that never did their work, in any stage and any shared seed.
    """

    active: list[str]
    inactive: list[str]


def evidence(counts: EffectCounts, stack: str, reference: str, seeds: Iterable[int]) -> Evidence:
    """Compare the counts of a stack with those of its reference.

    Args:
        counts: The effect counts of each cell.
        stack: Name of the stack.
        reference: Name of its reference.
        seeds: The seeds for which both are ok; at least one.

    Example:
        >>> counts = {
        ...     'ema__seed0': {'train EMAHook': 31, 'train ClipHook': 0},
        ...     'baseline__seed0': {'train ClipHook': 0},
        ... }
        >>> evidence(counts, 'ema', 'baseline', [0])
        Evidence(active=['train EMAHook'], inactive=['train ClipHook'])
    """
    pairs = [(counts.get(cell_name(stack, seed), {}), counts.get(cell_name(reference, seed), {})) for seed in seeds]
    parts = sorted({part for of_stack, _ in pairs for part in of_stack})
    return Evidence(
        active=[part for part in parts if all(mine.get(part, 0) > theirs.get(part, 0) for mine, theirs in pairs)],
        inactive=[part for part in parts if not any(_worked(part, of_stack) for of_stack, _ in pairs)],
    )


def _worked(part: str, counts: Mapping[str, int]) -> bool:
    """Whether a part did its work in any stage of a cell: a training hook has nothing to do in a test."""
    return any(count and _without_stage(other) == _without_stage(part) for other, count in counts.items())


def _without_stage(part: str) -> str:
    return part.partition(' ')[2]
