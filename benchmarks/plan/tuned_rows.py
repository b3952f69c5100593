"""Rows whose techniques are tuned, beside the rows with the values of the techniques' files (``--tune``).

Each stack with a technique that has a ``search`` gets a tuned row, compared with the row itself (``tuning``: what the
choice of values adds). Each comparison that the row takes part in is drawn between tuned rows, too: ``cumulative`` as
``cumulative_tuned``. There a reference without such a technique stands as it is. All rows that are there stay.
"""

from collections.abc import Collection
from dataclasses import replace

from benchmarks.plan.layout import Comparison, Layout
from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN, TUNED_ENDING, TUNING_DESIGN
from benchmarks.stacks.technique import Stack
from benchmarks.stacks.tuning import tuned_name


def with_tuned_rows(layout: Layout, searched: Collection[str]) -> Layout:
    """The layout with tuned rows behind all others.

    Args:
        layout: The stacks and comparisons of all designs.
        searched: The names of the techniques that have a ``search``.
    """

    def new(stack: Stack) -> Stack:
        # A sweep says which values it wants, and an A/A arm repeats what is there.
        if stack in layout.again_of or any(name in layout.variants for name in stack):
            return stack
        return tuple(tuned_name(name) if name in searched else name for name in stack)

    tuned_of = {new(stack): stack for stack in layout.stacks if new(stack) != stack}
    gains = [Comparison(_design(TUNING_DESIGN, stack, layout), new(stack), stack) for stack in tuned_of.values()]
    others = [
        Comparison(_tuned_design(one.design), new(one.stack), new(one.reference))
        for one in layout.comparisons
        if (new(one.stack), new(one.reference)) != (one.stack, one.reference)
        and one.design not in (AGAIN_DESIGN, CONTROL_DESIGN)
    ]
    clean = {new(stack): new(of) for stack, of in layout.clean_stack_of.items() if new(stack) != stack}
    return replace(
        layout,
        stacks=[*layout.stacks, *tuned_of],
        comparisons=[*layout.comparisons, *gains, *others],
        clean_stack_of={**layout.clean_stack_of, **clean},
        tuned_of=tuned_of,
    )


def _design(name: str, stack: Stack, layout: Layout) -> str:
    return f'{name}@{stack[-1]}' if stack in layout.clean_stack_of else name


def _tuned_design(design: str) -> str:
    name, at, condition = design.partition('@')
    return f'{name}{TUNED_ENDING}{at}{condition}'
