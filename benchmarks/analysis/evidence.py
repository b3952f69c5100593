"""Did a technique act? What the parts of a run say of themselves, for techniques that may leave every prediction as it was.

A record's ``acted`` holds how often each part that keeps count really did its work: ``{'train ClipHook': 31}``.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from benchmarks.record import cell_name

Acted = Mapping[str, Mapping[str, int]]


class Evidence(NamedTuple):
    """What acted in a stack, and what did not.

    Args:
        acted: Parts that acted more often than in the reference, in every shared seed.
        idle: Parts of the stack that never acted, in no stage and no shared seed.
    """

    acted: list[str]
    idle: list[str]


def evidence(acted: Acted, stack: str, reference: str, seeds: Iterable[int]) -> Evidence:
    """Compare what acted in a stack and in its reference.

    Args:
        acted: By cell, how often each part acted.
        stack: Name of the stack.
        reference: Name of its reference.
        seeds: The seeds for which both are ok; at least one.
    """
    pairs = [(acted.get(cell_name(stack, seed), {}), acted.get(cell_name(reference, seed), {})) for seed in seeds]
    parts = sorted({part for own, _ in pairs for part in own})
    return Evidence(
        acted=[part for part in parts if all(own.get(part, 0) > other.get(part, 0) for own, other in pairs)],
        idle=[
            part
            for part in parts
            if not any(_same_part(part, other) and own[other] for own, _ in pairs for other in own)
        ],
    )


def _same_part(one: str, other: str) -> bool:
    """Whether two are the same but for the stage: what acts in training has nothing to do in a test."""
    return one.partition(' ')[2] == other.partition(' ')[2]
