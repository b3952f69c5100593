"""How many times as much a stack costs as its reference.

A comparison at unequal compute answers two questions at once: does the technique help, and does more compute help? A
*control*, a row that only trains longer than the reference, answers the second one alone.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

NOTABLE = 1.5  # the ratio from which a cost is pointed out: times on a shared machine differ by a fifth by themselves


class Cost(NamedTuple):
    """How many times as much a stack costs as its reference; 1 where a measurement is missing.

    Args:
        training: Seconds of training; of each stack, the least of its seeds.
        operations: Floating-point operations of an inference.
        steps: Iterations of all trainings.
    """

    training: float
    operations: float
    steps: float


def cost(stack: str, reference: str, records: Iterable[Mapping], profiles: Mapping[str, Mapping]) -> Cost:
    """The cost of a stack against that of its reference.

    Args:
        stack: The stack.
        reference: The reference.
        records: The records of the grid's cells.
        profiles: The profiles by stack.
    """
    trainings = [(one['stack'], one['train']) for one in records if one['train']]

    def least(name: str, fact: str) -> float | None:
        return min((train[fact] for of_stack, train in trainings if of_stack == name), default=None)

    def operations(name: str) -> float | None:
        profile = profiles.get(name, {})
        return profile['flops'] if profile.get('status') == 'ok' else None

    return Cost(
        training=_ratio(least(stack, 'seconds'), least(reference, 'seconds')),
        operations=_ratio(operations(stack), operations(reference)),
        steps=_ratio(least(stack, 'iterations'), least(reference, 'iterations')),
    )


def _ratio(new: float | None, old: float | None) -> float:
    return new / old if new is not None and old else 1.0
