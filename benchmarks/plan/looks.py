"""The looks of a grid: at which numbers of seeds is looked, and which stacks may get further seeds.

The first look has two seeds of each row, and more of the baseline where the grid gives it more. Each further look adds
a seed to the stacks of the primary comparisons that are open, and to no other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.plan.grid import Grid
from benchmarks.plan.layout import Comparison
from benchmarks.record import CONTROL_DESIGN, stack_name
from benchmarks.stacks.compose import load_config
from benchmarks.stacks.technique import Stack

FIRST_LOOK = 2
MOST_SEEDS = 10  # where neither the command line nor the grid says more than two


@dataclass(frozen=True)
class GridLooks:
    """The looks of a grid, and those that have been taken.

    Args:
        planned: The numbers of seeds at which is looked, rising.
        followed: The names of the stacks that may get further seeds.
        levels: The nominal level of each look for a pair of rows with its seeds.
        taken: By stack the number of its seeds, for each look that has been taken.
    """

    planned: tuple[int, ...]
    followed: tuple[str, ...]
    levels: tuple[float, ...]
    taken: tuple[Mapping[str, int], ...] = field(default=())

    def asked(self) -> dict[str, Any]:
        """The part of the question that says how is looked."""
        return dict(seeds=list(self.planned), levels=list(self.levels), followed=list(self.followed))

    @property
    def next(self) -> int | None:
        """The number of seeds of the next look; None after the last one."""
        return self.planned[len(self.taken)] if len(self.taken) < len(self.planned) else None

    def take(self, seeds_of: Mapping[Stack, Sequence[int]]) -> 'GridLooks':
        """The same looks with one more that is taken."""
        seeds = {stack_name(stack): len(seeds) for stack, seeds in seeds_of.items()}
        return replace(self, taken=(*self.taken, seeds))


def most_seeds(grid: Grid, asked: int | None) -> int:
    """The most seeds of a row: ``--seeds``, or the grid's ``seeds``, where above two; else ten.

    Args:
        grid: The grid.
        asked: ``--seeds``.

    Raises:
        BadInput: The command line asks for two seeds or fewer.
    """
    if asked is not None and asked <= FIRST_LOOK:
        raise BadInput(
            f'--seeds {asked}: --until-decided begins with {FIRST_LOOK} seeds, and --seeds is the most that a row may '
            f'get; give {FIRST_LOOK + 1} or more, or leave it out'
        )
    if asked is None:
        asked = grid.seeds if 'seeds' in load_config(grid.file) else 0
    return asked if asked > FIRST_LOOK else MOST_SEEDS


def followed(comparisons: Sequence[Comparison], primary: Collection[frozenset]) -> tuple[str, ...]:
    """The stacks that may get further seeds, in the order of the comparisons.

    They are those of the primary pairs, and of the positive control: without it no row is equivalent.

    Args:
        comparisons: The comparisons of the grid.
        primary: The primary pairs, as names.

    Raises:
        BadInput: There is no primary pair.
    """
    if not primary:
        raise BadInput(
            '--until-decided spends seeds on primary comparisons, and this grid has none; add a design that compares '
            "rows, such as dict(type='cumulative', techniques=[...]), or name comparisons in 'primary'"
        )
    names: dict[str, None] = {}
    for one in comparisons:
        pair = (stack_name(one.stack), stack_name(one.reference))
        if frozenset(pair) in primary or one.design == CONTROL_DESIGN:
            names |= dict.fromkeys(pair)
    return tuple(names)


def seeds_at(seeds_of: Mapping[Stack, Sequence[int]], stacks: Collection[str], number: int) -> dict[Stack, list[int]]:
    """The seeds of each stack at a further look.

    Args:
        seeds_of: Its seeds at the look before.
        stacks: The names of the stacks that get further seeds.
        number: The number of seeds of the look; a stack with more keeps them.
    """
    return {
        stack: list(range(max(len(seeds), number))) if stack_name(stack) in stacks else list(seeds)
        for stack, seeds in seeds_of.items()
    }
