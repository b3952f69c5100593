"""Designs: from a list of techniques to the stacks to run and the comparisons to draw.

A comparison pairs a stack with its reference. The design's name in ``comparisons.csv`` says which reference: the
previous row (``cumulative``), the baseline (``…_vs_baseline``, ``each_alone``, ``factorial``) or the full stack
(``leave_one_out``, whose delta is what the full stack loses without the technique).
"""
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, combinations

from benchmarks.errors import BadInput
from benchmarks.suggest import did_you_mean
from benchmarks.technique import Stack


@dataclass(frozen=True)
class Comparison:
    """A stack against its reference, under the name of the design that asks for it."""
    design: str
    stack: Stack
    reference: Stack


@dataclass(frozen=True)
class Layout:
    """The stacks of a design in table order, and its comparisons."""
    stacks: list[Stack]
    comparisons: list[Comparison]


def cumulative(techniques: list[str]) -> Layout:
    """The baseline, then one technique more per row; each row against the previous one, and against the baseline."""
    stacks = [tuple(techniques[:n]) for n in range(len(techniques) + 1)]
    steps = [Comparison('cumulative', stack, before) for before, stack in zip(stacks, stacks[1:])]
    totals = [Comparison('cumulative_vs_baseline', stack, ()) for stack in stacks[1:]]
    return Layout(stacks, steps + totals)


def each_alone(techniques: list[str]) -> Layout:
    """The baseline, and each technique alone on it."""
    stacks = [(name,) for name in techniques]
    return Layout([(), *stacks], [Comparison('each_alone', stack, ()) for stack in stacks])


def leave_one_out(techniques: list[str]) -> Layout:
    """The full stack, and the full stack without each technique in turn."""
    full = tuple(techniques)
    stacks = [tuple(name for name in techniques if name != left_out) for left_out in techniques]
    return Layout([full, *stacks], [Comparison('leave_one_out', stack, full) for stack in stacks])


def factorial(techniques: list[str]) -> Layout:
    """Every subset of the techniques, against the baseline."""
    stacks = list(chain.from_iterable(combinations(techniques, n) for n in range(len(techniques) + 1)))
    return Layout(stacks, [Comparison('factorial', stack, ()) for stack in stacks[1:]])


DESIGNS: dict[str, Callable[[list[str]], Layout]] = {
    design.__name__: design for design in (cumulative, each_alone, leave_one_out, factorial)}


def lay_out(designs: list[dict]) -> Layout:
    """Merge a grid's designs: stacks in order of first appearance, each once; comparisons likewise.

    Args:
        designs: ``[dict(type='cumulative', techniques=['cbam', ...]), ...]``.

    Raises:
        BadInput: A design is unknown, misses its techniques, or lists a technique twice.
    """
    stacks: dict[Stack, None] = {}
    comparisons: dict[Comparison, None] = {}
    for design in designs:
        kind, techniques = design.get('type'), list(design.get('techniques', []))
        if kind not in DESIGNS:
            raise BadInput(f"unknown design '{kind}'{did_you_mean(str(kind), DESIGNS)}")
        for key in design.keys() - {'type', 'techniques'}:
            raise BadInput(f"design '{kind}' takes no '{key}'{did_you_mean(key, ['type', 'techniques'])}")
        for name in techniques:
            if techniques.count(name) > 1:
                raise BadInput(f"design '{kind}' lists the technique '{name}' twice; a stack holds it once")
        layout = DESIGNS[kind](techniques)
        stacks.update(dict.fromkeys(layout.stacks))
        comparisons.update(dict.fromkeys(layout.comparisons))
    if not stacks:
        raise BadInput("the grid has no designs; give it at least designs=[dict(type='cumulative', techniques=[...])]")
    return Layout(list(stacks), list(comparisons))
