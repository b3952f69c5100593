"""The question that a grid asks: which comparisons are primary, by which metric, margin and method.

A question is written into ``grid.json`` before the first result, and kept there: what is asked after the results are
known answers nothing. A later question stands beside the earlier ones, with the number of results that were there.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.analysis.families import METHOD, pair_of, primary_by_default
from benchmarks.errors import Mistakes, did_you_mean
from benchmarks.plan.grid import Grid
from benchmarks.plan.layout import Comparison, Layout
from benchmarks.plan.looks import GridLooks
from benchmarks.record import TUNED_ENDING, TUNING_DESIGN, stack_name
from benchmarks.stacks.tuning import is_tuned_name

Question = dict[str, Any]


def question_of(grid: Grid, layout: Layout, looks: GridLooks | None = None) -> Question:
    """The question of a grid: ``metric``, ``equivalence_margin``, ``method`` and ``primary``, pairs of stack names.

    Args:
        grid: The grid.
        layout: Its comparisons.
        looks: Its looks, which are part of the question, as ``looks``; None for a fixed number of seeds.

    Raises:
        BadInput: ``primary`` of the grid names a design or a pair that compares nothing in it.
    """
    question = dict(
        metric=grid.metric,
        equivalence_margin=float(grid.equivalence_margin),
        method=METHOD,
        primary=[list(pair) for pair in _primary(grid, layout)],
    )
    return question if looks is None else question | dict(looks=looks.asked())


def asked(question: Question, earlier: Sequence[Question], n_results: int) -> list[Question]:
    """The questions of an output folder, the last one being ``question``.

    Args:
        question: What the grid asks now.
        earlier: The questions that were asked before.
        n_results: The number of cells that have a result by now.
    """
    if earlier and is_asked_by(earlier[-1], question):
        return list(earlier)
    return [*earlier, question | dict(n_results=n_results)]


def is_asked_by(written: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    """Whether a question that was written down, with its number of results, is this one."""
    return {name: value for name, value in written.items() if name != 'n_results'} == question


def _primary(grid: Grid, layout: Layout) -> list[tuple[str, str]]:
    """The primary pairs, each once, in the order of the comparisons."""
    named = [
        (comparison, dict(design=comparison.design, **dict(zip(('stack', 'reference'), _names(comparison)))))
        for comparison in layout.comparisons
    ]
    if grid.primary is None:
        pairs = primary_by_default(fields for _, fields in named)
        chosen = [comparison for comparison, fields in named if pair_of(fields) in pairs]
    else:
        chosen = list(_chosen(grid, layout))
    distinct: dict[frozenset, tuple[str, str]] = {}
    for comparison in chosen:
        distinct.setdefault(frozenset(_names(comparison)), _names(comparison))
    return list(distinct.values())


def _chosen(grid: Grid, layout: Layout) -> Iterator[Comparison]:
    """The comparisons that ``primary`` of a grid names."""
    mistakes = Mistakes()
    entries = grid.primary or []
    for entry in entries:
        if not any(_matches(entry, comparison) for comparison in layout.comparisons):
            mistakes.all.append(_compares_nothing(entry, layout))
    mistakes.refuse()
    for comparison in layout.comparisons:
        if any(_matches(entry, comparison) for entry in entries):
            yield comparison


def _matches(entry: Any, comparison: Comparison) -> bool:
    if isinstance(entry, str):
        return comparison.design == entry
    return (tuple(entry[0]), tuple(entry[1])) == (comparison.stack, comparison.reference)


def _compares_nothing(entry: Any, layout: Layout) -> str:
    if not layout.tuned_of and _is_of_tuned_rows(entry):
        called = (
            f"the design '{entry}'" if isinstance(entry, str) else 'the pair {} and {}'.format(*map(_quoted, entry))
        )
        return (
            f"'primary' names {called}, which is there with --tune alone; run with --tune, or take it out of 'primary'"
        )
    designs = sorted({comparison.design for comparison in layout.comparisons})
    if isinstance(entry, str):
        return (
            f"'primary' names the design '{entry}', which compares nothing in this grid{did_you_mean(entry, designs)}"
        )
    stack, reference = map(_quoted, entry)
    return (
        f"'primary' names the pair {stack} and {reference}, which no design of this grid compares; add "
        f"dict(type='explicit', pairs=[{tuple(map(list, entry))!r}]) to its designs"
    )


def _is_of_tuned_rows(entry: Any) -> bool:
    if isinstance(entry, str):
        design = entry.partition('@')[0]
        return design == TUNING_DESIGN or design.endswith(TUNED_ENDING)
    return any(is_tuned_name(name) for side in entry for name in side)


def _quoted(stack: Sequence[str]) -> str:
    return f"'{stack_name(tuple(stack))}'"


def _names(comparison: Comparison) -> tuple[str, str]:
    return stack_name(comparison.stack), stack_name(comparison.reference)
