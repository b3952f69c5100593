"""Layout: the stacks and comparisons that designs ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.plan.fraction import Fraction
from benchmarks.stacks.technique import Stack
from benchmarks.stacks.variants import Variant


@dataclass(frozen=True)
class Comparison:
    """A stack and its reference, under the name of the design that compares them."""

    design: str
    stack: Stack
    reference: Stack


@dataclass(frozen=True)
class Layout:
    """The stacks of a design in table order, and its comparisons.

    Args:
        stacks: Each once; those under a condition come after all others of their design.
        comparisons: The comparisons to draw.
        clean_stack_of: Stack under a condition → the same stack without it, whose weights and costs it shares.
        design_count: How many designs contain the stack; only stacks in two or more.
        again_of: Stack of an A/A arm → the stack that it trains again, with other seeds.
        fractions: The fractional factorials.
        tuned_of: Stack with tuned techniques → the same stack with the values of their files.
        validated: Stacks that predict the validation images, too, so that the best one is chosen there.
        variants: Techniques with other values of parameters, by the names under which they stand in stacks.
    """

    stacks: list[Stack]
    comparisons: list[Comparison]
    clean_stack_of: dict[Stack, Stack] = field(default_factory=dict)
    design_count: dict[Stack, int] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    again_of: dict[Stack, Stack] = field(default_factory=dict)
    fractions: tuple[Fraction, ...] = ()
    tuned_of: dict[Stack, Stack] = field(default_factory=dict)
    validated: tuple[Stack, ...] = ()

    def renamed(self, names: Mapping[str, str]) -> 'Layout':
        """The layout with other names of techniques; stacks that become equal are one, and nothing is compared with it.

        Args:
            names: From the old name to the new one; other names stay.
        """
        if not names:
            return self

        def new(stack: Stack) -> Stack:
            return tuple(names.get(name, name) for name in stack)

        comparisons = [replace(one, stack=new(one.stack), reference=new(one.reference)) for one in self.comparisons]
        count: dict[Stack, int] = {}
        for stack in self.stacks:
            count[new(stack)] = count.get(new(stack), 0) + self.design_count.get(stack, 1)
        return replace(
            self,
            stacks=list(count),
            comparisons=list(dict.fromkeys(one for one in comparisons if one.stack != one.reference)),
            clean_stack_of={new(stack): new(clean) for stack, clean in self.clean_stack_of.items()},
            design_count={stack: number for stack, number in count.items() if number > 1},
            validated=tuple(dict.fromkeys(map(new, self.validated))),
            fractions=tuple(replace(one, techniques=new(one.techniques)) for one in self.fractions),
        )


def under_condition(layout: Layout, condition: str) -> Layout:
    """The same stacks and comparisons with ``condition`` appended to every stack."""
    return Layout(
        [(*stack, condition) for stack in layout.stacks],
        [
            Comparison(f'{clean.design}@{condition}', (*clean.stack, condition), (*clean.reference, condition))
            for clean in layout.comparisons
        ],
        {(*stack, condition): stack for stack in layout.stacks},
    )
