"""Which comparisons answer the question that was asked first, and which are explored beside it.

Nothing is computed here, so that a plan can ask without importing numpy.
"""

from collections.abc import Iterable, Mapping

from benchmarks.record import AGAIN_DESIGN, CONTROL_DESIGN

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


def primary_by_default(comparisons: Iterable[Mapping]) -> set[Pair]:
    """The pairs that are primary where a grid does not say so: the steps of ``cumulative``, or all without any.

    What tests the grid itself, as an A/A arm does, is no question about techniques, and never primary.
    """
    asking = [one for one in comparisons if one['design'] not in _TESTS_OF_THE_GRID]
    steps = {pair_of(one) for one in asking if one['design'] == _STEPS}
    return steps or {pair_of(one) for one in asking}
