"""Rows whose techniques are tuned, beside the rows with the values of the techniques' files (``--tune``).

Each stack with a technique that has a ``search`` gets a tuned row, compared with the row itself (``tuning``: what the
choice of values adds). Each comparison that the row takes part in is drawn between tuned rows, too: ``cumulative`` as
``cumulative_tuned``. There a reference without such a technique stands as it is. All rows that are there stay.

Where a technique searches values of its training, the baseline gets a tuned row: it has as many trials of its learning
rate. It takes the place of the baseline in comparisons with rows whose training is tuned, and in no others.
"""

from collections.abc import Collection
from dataclasses import replace

from benchmarks.plan.layout import Comparison, Layout
from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN, TUNED_BASELINE, TUNED_ENDING, TUNING_DESIGN
from benchmarks.stacks.technique import Stack
from benchmarks.stacks.tuning import tuned_name


class _Rows:
    """The tuned row of each row.

    Args:
        layout: The stacks and comparisons of all designs.
        searched: The names of the techniques that have a ``search``.
        trained: Those of them that search values of their training.
    """

    def __init__(self, layout: Layout, searched: Collection[str], trained: Collection[str]) -> None:
        self.layout, self.searched, self.trained = layout, searched, trained
        self.baseline_too = any(self.tunes_training(stack) for stack in layout.stacks)

    def stays(self, stack: Stack) -> bool:
        """Whether a row has no tuned one: a sweep says which values it wants, and an A/A arm repeats what is there."""
        return stack in self.layout.again_of or any(name in self.layout.variants for name in stack)

    def is_bare(self, stack: Stack) -> bool:
        """Whether a row is the baseline, clean or under a condition."""
        return self.layout.clean_stack_of.get(stack, stack) == ()

    def tunes_training(self, stack: Stack) -> bool:
        """Whether the training of a row's techniques is tuned."""
        return not self.stays(stack) and any(name in self.trained for name in stack)

    def tuned(self, stack: Stack) -> Stack:
        """The tuned row; the row itself where nothing of it is tuned."""
        if self.stays(stack):
            return stack
        if self.is_bare(stack):
            return (TUNED_BASELINE, *stack) if self.baseline_too else stack
        return tuple(tuned_name(name) if name in self.searched else name for name in stack)

    def beside(self, stack: Stack, other: Stack) -> Stack:
        """The row that stands for ``stack`` in the comparison with ``other`` between tuned rows."""
        return stack if self.is_bare(stack) and not self.tunes_training(other) else self.tuned(stack)


def with_tuned_rows(layout: Layout, searched: Collection[str], trained: Collection[str] = ()) -> Layout:
    """The layout with tuned rows behind all others.

    Args:
        layout: The stacks and comparisons of all designs.
        searched: The names of the techniques that have a ``search``.
        trained: Those of them that search values of their training.
    """
    rows = _Rows(layout, searched, trained)
    new = rows.tuned
    tuned_of = {new(stack): stack for stack in layout.stacks if new(stack) != stack}
    gains = [Comparison(_design(TUNING_DESIGN, stack, layout), new(stack), stack) for stack in tuned_of.values()]
    pairs = [
        (one, rows.beside(one.stack, one.reference), rows.beside(one.reference, one.stack))
        for one in layout.comparisons
    ]
    others = [
        Comparison(_tuned_design(one.design), stack, reference)
        for one, stack, reference in pairs
        if (stack, reference) != (one.stack, one.reference) and one.design not in (AGAIN_DESIGN, CONTROL_DESIGN)
    ]
    # Where there are validation images anyway, the points of a sweep are compared on them.
    swept = [one.stack for one in layout.comparisons if one.design == 'sweep'] if tuned_of else []
    clean = {new(stack): new(of) for stack, of in layout.clean_stack_of.items() if new(stack) != stack}
    return replace(
        layout,
        stacks=[*layout.stacks, *tuned_of],
        comparisons=[*layout.comparisons, *gains, *others],
        clean_stack_of={**layout.clean_stack_of, **clean},
        tuned_of=tuned_of,
        validated=tuple(dict.fromkeys([*layout.validated, *swept])),
    )


def _design(name: str, stack: Stack, layout: Layout) -> str:
    return f'{name}@{stack[-1]}' if stack in layout.clean_stack_of else name


def _tuned_design(design: str) -> str:
    name, at, condition = design.partition('@')
    return f'{name}{TUNED_ENDING}{at}{condition}'
