"""Designs: from a list of techniques to the stacks to run and the comparisons to draw.

A comparison pairs a stack with its reference. The design's name in ``comparisons.csv`` says which reference: the
previous row (``cumulative``), the baseline (``…_vs_baseline``, ``each_alone``, ``factorial``), the full stack
(``leave_one_out``, whose delta is the loss of the full stack without the technique) or the one that the grid names
(``explicit``).

A design may name *conditions*: techniques that change the test images alone (noise, blur …). Each of its stacks is then
tested once more under each condition, with the weights of the clean stack, and compared with its reference under the
same condition, by the name ``<design>@<condition>``. A stack is not compared with itself under a condition: the
difference would say nothing about techniques.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, combinations

from benchmarks.errors import BadInput, Mistakes, did_you_mean
from benchmarks.stacks.technique import Stack


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
    """

    stacks: list[Stack]
    comparisons: list[Comparison]
    clean_stack_of: dict[Stack, Stack] = field(default_factory=dict)
    design_count: dict[Stack, int] = field(default_factory=dict)


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


def explicit(pairs: list[tuple[list[str], list[str]]]) -> Layout:
    """Each stack against a named reference: for techniques whose fair reference is another technique, not the baseline.

    Args:
        pairs: (stack, reference) by the names of their techniques, ``[]`` being the baseline.
    """
    comparisons = [Comparison('explicit', tuple(stack), tuple(reference)) for stack, reference in pairs]
    stacks = dict.fromkeys(stack for pair in comparisons for stack in (pair.reference, pair.stack))
    return Layout(list(stacks), comparisons)


DESIGNS: dict[str, Callable[[list], Layout]] = {
    design.__name__: design for design in (cumulative, each_alone, leave_one_out, factorial, explicit)
}


KEYS = ('type', 'techniques', 'conditions')
KEYS_OF_EXPLICIT = ('type', 'pairs', 'conditions')


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


def lay_out(designs: list[dict]) -> Layout:
    """Merge a grid's designs: stacks in order of first appearance, each once; comparisons likewise.

    Args:
        designs: ``[dict(type='cumulative', techniques=['cbam', ...], conditions=['noise', ...]), ...]``; a design
            without ``conditions`` has none. Instead of techniques the design ``explicit`` takes pairs of stacks,
            ``dict(type='explicit', pairs=[(['cbam', 'crf'], ['crf']), ...])``.

    Raises:
        BadInput: The type of a design is unknown, its techniques or pairs are missing, it compares nothing, it lists a
            technique or condition twice, or a name is a technique in one design and a condition in another.
    """
    stacks: Counter[Stack] = Counter()  # in order of first appearance
    comparisons: dict[Comparison, None] = {}
    clean_stack_of: dict[Stack, Stack] = {}
    mistakes = Mistakes()
    for design in designs:
        with mistakes.noted():
            _check(design)
    mistakes.refuse()
    for design in designs:
        clean = DESIGNS[design['type']](list(design.get('pairs' if design['type'] == 'explicit' else 'techniques', [])))
        for layout in (clean, *(under_condition(clean, name) for name in design.get('conditions', []))):
            stacks.update(layout.stacks)
            comparisons.update(dict.fromkeys(layout.comparisons))
            clean_stack_of.update(layout.clean_stack_of)
    if not stacks:
        raise BadInput("the grid has no designs; give it at least designs=[dict(type='cumulative', techniques=[...])]")
    _refuse_double_role(designs)
    design_count = {stack: number for stack, number in stacks.items() if number > 1}
    return Layout(list(stacks), list(comparisons), clean_stack_of, design_count)


def _check(design: dict) -> None:
    kind = design.get('type')
    if kind not in DESIGNS:
        raise BadInput(f"unknown design '{kind}'{did_you_mean(str(kind), DESIGNS)}")
    keys = KEYS_OF_EXPLICIT if kind == 'explicit' else KEYS
    mistakes = Mistakes()
    for key in sorted(design.keys() - set(keys)):
        mistakes.all.append(f"design '{kind}' takes no '{key}'{did_you_mean(key, keys)}")
    with mistakes.noted():
        _refuse_empty(design, keys[1])
    mistakes.refuse()
    _check_pairs(design.get('pairs', []))
    stacks = [names for pair in design.get('pairs', []) for names in pair] or [design.get('techniques', [])]
    for role, names in (*(('technique', stack) for stack in stacks), ('condition', design.get('conditions', []))):
        for name in names:
            if list(names).count(name) > 1:
                raise BadInput(f"design '{kind}' lists the {role} '{name}' twice; a stack holds it once")


def _refuse_empty(design: dict, key: str) -> None:
    """A design without techniques compares nothing; ``cumulative`` without techniques is the baseline alone."""
    kind, content = design['type'], design.get(key)
    if not isinstance(content, (list, tuple)) or not (content or kind == 'cumulative'):
        says = f'{key}={content!r}' if key in design else f'no {key}'
        raise BadInput(
            f"design '{kind}' has {says}, so it compares nothing; "
            + (
                'give it pairs=[(stack, reference), ...], each a list of techniques'
                if key == 'pairs'
                else "give it techniques=['...', ...]; for the baseline alone, type='cumulative', techniques=[]"
            )
        )


def _check_pairs(pairs: list) -> None:
    for pair in pairs:
        is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
        if not is_pair or not all(isinstance(stack, (list, tuple)) for stack in pair):
            raise BadInput(
                f"design 'explicit' has the pair {pair!r}; write (stack, reference), each a list of techniques"
            )
        if list(pair[0]) == list(pair[1]):
            raise BadInput(f"design 'explicit' compares {list(pair[0])} with itself; give it another reference")


def _refuse_double_role(designs: list[dict]) -> None:
    """Refuse a name that is a condition and a technique: the costs of its stacks would be measured without it."""
    techniques = {name for design in designs for name in design.get('techniques', [])}
    techniques |= {name for design in designs for pair in design.get('pairs', []) for names in pair for name in names}
    for design in designs:
        for name in design.get('conditions', []):
            if name in techniques:
                raise BadInput(
                    f"'{name}' is a condition of the design '{design['type']}' and a technique of a design; "
                    'name it as one of the two'
                )
