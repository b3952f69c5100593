"""Designs: from a list of techniques to the stacks to run and the comparisons to draw.

A comparison pairs a stack with its reference. The design's name in ``comparisons.csv`` says which reference: the
previous row (``cumulative``), the baseline (``…_vs_baseline``, ``each_alone``, ``factorial``), the full stack
(``leave_one_out``, whose delta is the loss of the full stack without the technique) or the one that the grid names
(``explicit``, ``sweep``). The designs of :mod:`benchmarks.plan.controls` test the grid itself.

A design may name *conditions*: techniques that change the test images alone (noise, blur …). Each of its stacks is then
tested once more under each condition, with the weights of the clean stack, and compared with its reference under the
same condition, by the name ``<design>@<condition>``. A stack is not compared with itself under a condition: the
difference would say nothing about techniques.
"""

import inspect
from collections import Counter
from collections.abc import Callable
from itertools import chain, combinations
from typing import Any

from benchmarks.errors import BadInput, Mistakes, did_you_mean
from benchmarks.plan.controls import aa, positive_control
from benchmarks.plan.fraction import Fraction, fraction_of
from benchmarks.plan.layout import Comparison, Layout, under_condition
from benchmarks.plan.sweep import sweep
from benchmarks.record import AGAIN
from benchmarks.stacks.technique import Stack
from benchmarks.stacks.variants import Variant


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


def factorial(techniques: list[str], resolution: int | None = None) -> Layout:
    """Every subset of the techniques, or a fraction of them, against the baseline.

    Args:
        techniques: The techniques.
        resolution: That of the fraction (see :mod:`benchmarks.plan.fraction`); without it all subsets.

    Raises:
        BadInput: The resolution is no integer from 3.
    """
    if resolution is not None and (type(resolution) is not int or resolution < 3):
        raise BadInput(
            f"design 'factorial' has resolution={resolution!r}; give 3, 4, 5 …, or leave it out for every subset"
        )
    fraction = None if resolution is None else fraction_of(techniques, resolution)
    if fraction is not None:
        comparisons = [Comparison('factorial', stack, ()) for stack in fraction.stacks[1:]]
        return Layout(fraction.stacks, comparisons, fractions=(fraction,))
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


DESIGNS: dict[str, Callable[..., Layout]] = {
    design.__name__: design
    for design in (cumulative, each_alone, leave_one_out, factorial, sweep, explicit, aa, positive_control)
}
# Names of techniques are in these fields of a design.
STACKS = ('techniques', 'on', 'reference')


def lay_out(designs: list[dict]) -> Layout:
    """Merge a grid's designs: stacks in order of first appearance, each once; comparisons likewise.

    Args:
        designs: ``[dict(type='cumulative', techniques=['cbam', ...], conditions=['noise', ...]), ...]``; a design
            without ``conditions`` has none. The other fields of a design are the arguments of its function: the design
            ``explicit`` takes pairs of stacks, ``dict(type='explicit', pairs=[(['cbam', 'crf'], ['crf']), ...])``.

    Raises:
        BadInput: The type of a design is unknown, its fields are missing or wrong, it compares nothing, it lists a
            technique or condition twice, or a name is a technique in one design and a condition in another.
    """
    stacks: Counter[Stack] = Counter()  # in order of first appearance
    comparisons: dict[Comparison, None] = {}
    clean_stack_of: dict[Stack, Stack] = {}
    variants: dict[str, Variant] = {}
    again_of: dict[Stack, Stack] = {}
    fractions: dict[Fraction, None] = {}
    validated: dict[Stack, None] = {}
    for design, clean in zip(designs, _each_laid_out(designs)):
        for layout in (clean, *(under_condition(clean, name) for name in design.get('conditions', []))):
            stacks.update(layout.stacks)
            comparisons.update(dict.fromkeys(layout.comparisons))
            clean_stack_of.update(layout.clean_stack_of)
        _refuse_other_variants(clean.variants, variants)
        variants.update(clean.variants)
        again_of.update(clean.again_of)
        fractions.update(dict.fromkeys(clean.fractions))
        validated.update(dict.fromkeys(clean.validated))
    if not stacks:
        raise BadInput("the grid has no designs; give it at least designs=[dict(type='cumulative', techniques=[...])]")
    _refuse_double_role(designs)
    design_count = {stack: number for stack, number in stacks.items() if number > 1}
    return Layout(
        list(stacks),
        list(comparisons),
        clean_stack_of,
        design_count,
        variants,
        again_of,
        tuple(fractions),
        validated=tuple(validated),
    )


def _each_laid_out(designs: list[dict]) -> list[Layout]:
    """The layout of each design, without its conditions."""
    layouts, mistakes = [], Mistakes()
    for design in designs:
        with mistakes.noted():
            _check(design)
            fields = {key: value for key, value in design.items() if key not in ('type', 'conditions')}
            layouts.append(DESIGNS[design['type']](**fields))
    mistakes.refuse()
    return layouts


def _check(design: dict) -> None:
    kind = design.get('type')
    if kind not in DESIGNS:
        raise BadInput(f"unknown design '{kind}'{did_you_mean(str(kind), DESIGNS)}")
    arguments = inspect.signature(DESIGNS[kind]).parameters
    keys = ('type', *arguments, *(() if kind == 'aa' else ('conditions',)))
    mistakes = Mistakes()
    for key in sorted(design.keys() - set(keys)):
        mistakes.all.append(f"design '{kind}' takes no '{key}'{did_you_mean(key, keys)}")
    with mistakes.noted():
        for key in [name for name, one in arguments.items() if one.default is one.empty]:
            _refuse_empty(design, key)
    mistakes.refuse()
    with mistakes.noted():
        _check_pairs(design.get('pairs', []))
    stacks: list[list[str]] = []
    with mistakes.noted():
        stacks = _named_stacks(design)
    for role, names in (*(('technique', stack) for stack in stacks), ('condition', _conditions(design))):
        if AGAIN in names:
            mistakes.all.append(f"'{AGAIN}' is the row of the design 'aa' and no technique; name another technique")
        mistakes.all += [
            f"design '{kind}' lists the {role} '{name}' twice; a stack holds it once"
            for name in dict.fromkeys(names)
            if list(names).count(name) > 1
        ]
    mistakes.refuse()


def _conditions(design: dict) -> list:
    return design.get('conditions', [])


def _named_stacks(design: dict) -> list[list[str]]:
    """The lists of techniques that a design names.

    Raises:
        BadInput: A field holds something else.
    """
    stacks = [names for pair in design.get('pairs', []) if _is_pair(pair) for names in pair]
    for key in STACKS:
        names = design.get(key) or []
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise BadInput(f"design '{design['type']}' has {key}={names!r}; give a list of names of techniques")
        stacks.append(list(names))
    return stacks


CURES = dict(
    techniques="techniques=['...', ...]; for the baseline alone, type='cumulative', techniques=[]",
    pairs='pairs=[(stack, reference), ...], each a list of techniques',
    technique="technique='...', the name of one",
    over="over=dict(key=[value, ...]), with keys of the technique's overlay",
)


def _refuse_empty(design: dict, key: str) -> None:
    """A design without techniques compares nothing; ``cumulative`` without techniques is the baseline alone."""
    kind, content = design['type'], design.get(key)
    wanted: tuple[type, ...] = dict(technique=(str,), over=(dict, list, tuple)).get(key, (list, tuple))
    if not isinstance(content, wanted) or not (content or kind == 'cumulative'):
        says = f'{key}={content!r}' if key in design else f'no {key}'
        raise BadInput(f"design '{kind}' has {says}, so it compares nothing; give it {CURES[key]}")


def _check_pairs(pairs: list) -> None:
    mistakes = Mistakes()
    for pair in pairs:
        if not _is_pair(pair):
            mistakes.all.append(
                f"design 'explicit' has the pair {pair!r}; write (stack, reference), each a list of techniques"
            )
        elif list(pair[0]) == list(pair[1]):
            mistakes.all.append(f"design 'explicit' compares {list(pair[0])} with itself; give it another reference")
    mistakes.refuse()


def _is_pair(pair: Any) -> bool:
    is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
    return is_pair and all(isinstance(stack, (list, tuple)) for stack in pair)


def _refuse_other_variants(new: dict[str, Variant], known: dict[str, Variant]) -> None:
    """Refuse two sweeps that give one name to different values, or write the keys of the same values differently."""
    for name in new.keys() & known.keys():
        if new[name] != known[name]:
            raise BadInput(
                f"two sweeps have a row '{name}': with {dict(known[name].values)} and with {dict(new[name].values)}; "
                'write the keys alike, or name the values'
            )


def _refuse_double_role(designs: list[dict]) -> None:
    """Refuse a name that is a condition and a technique: the costs of its stacks would be measured without it."""
    techniques = {name for design in designs for names in _named_stacks(design) for name in names}
    techniques |= {design['technique'] for design in designs if 'technique' in design}
    mistakes = [
        f"'{name}' is a condition of the design '{design['type']}' and a technique of a design; "
        'name it as one of the two'
        for design in designs
        for name in _conditions(design)
        if name in techniques
    ]
    if mistakes:
        raise BadInput(*mistakes)
