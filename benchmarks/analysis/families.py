"""Which comparisons answer the question that was asked first, and which are explored beside it.

Nothing is computed here, so that a plan can ask without importing numpy.
"""

from collections.abc import Iterable, Mapping

from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN, TUNED_ENDING, TUNING_DESIGN

PRIMARY, EXPLORATORY = 'primary', 'exploratory'
# To be changed with whatever changes a p value: a report by another method than the one that was asked for says so.
METHOD = 'seed variances borrowed across the grid; Holm for primary, Benjamini-Hochberg for exploratory pairs (1)'
BORROWED_FROM = 20  # trainings (or differences within one), from which on two seeds borrow
_STEPS = 'cumulative'
_TESTS_OF_THE_GRID = (AGAIN_DESIGN, CONTROL_DESIGN)

Pair = frozenset  # the names of a stack and its reference; which of them is the reference changes no p


def pair_of(comparison: Mapping) -> Pair:
    """The two stacks of a comparison."""
    return frozenset((comparison['stack'], comparison['reference']))


def distinct_pairs(comparisons: Iterable[Mapping]) -> list[tuple[str, str]]:
    """(stack, reference) of each pair of stacks, in the direction in which the first of its comparisons has it.

    Example:
        >>> distinct_pairs([dict(stack='b', reference='a'), dict(stack='a', reference='b')])
        [('b', 'a')]
    """
    found: dict[Pair, tuple[str, str]] = {}
    for comparison in comparisons:
        found.setdefault(pair_of(comparison), (comparison['stack'], comparison['reference']))
    return list(found.values())


def primary_by_default(comparisons: Iterable[Mapping]) -> set[Pair]:
    """The pairs that are primary where a grid does not say so: the steps of ``cumulative``, or all without any.

    What tests the grid itself, as an A/A arm does, is no question about techniques, and never primary. Tuned rows are
    explored, so that the question and its levels are the same with and without them.
    """
    asking = [one for one in comparisons if not _is_beside(one['design'])]
    steps = {pair_of(one) for one in asking if one['design'] == _STEPS}
    return steps or {pair_of(one) for one in asking}


def _is_beside(design: str) -> bool:
    name = design.partition('@')[0]
    return design in _TESTS_OF_THE_GRID or name == TUNING_DESIGN or name.endswith(TUNED_ENDING)
