"""More seeds for the baseline, to which most rows are compared.

All comparisons with the baseline share its error. With k other trainings of S seeds each, the sum of the variances of
all differences is least for a fixed number of trainings when the baseline has about S sqrt(k) seeds (Dunnett, JASA
1955). Rows that share the baseline's training get its seeds for the price of a test, and an A/A arm has as many as the
baseline.

Comparisons are paired: they use the seeds that both sides have.
"""

import math
from collections.abc import Collection, Hashable, Mapping, Sequence

from benchmarks.errors import BadInput
from benchmarks.stacks.technique import Stack

AUTO = 'auto'


def seeds_of_each(
    trainings: Mapping[Stack, Hashable],
    seeds: Sequence[int],
    baseline_seeds: int | str,
    again: Collection[Stack],
    uncounted: Collection[Stack] = (),
) -> dict[Stack, list[int]]:
    """The seeds of each stack.

    Args:
        trainings: For each stack, what identifies the trainings that it needs for one seed.
        seeds: The seeds of stacks with trainings of their own.
        baseline_seeds: The number of the baseline's seeds; never less than ``seeds``. ``auto`` takes S sqrt(k).
        again: Stacks that are the baseline, trained again.
        uncounted: Stacks whose trainings ``auto`` does not count: they have another reference than the baseline, or
            nobody asked for them.

    Raises:
        BadInput: There is no baseline among the stacks.
    """
    if () not in trainings:
        raise BadInput(
            f'the grid has baseline_seeds={baseline_seeds!r}, but no design has the baseline as a row; take the '
            'field out, or add a design with the baseline, such as cumulative'
        )
    others = {trainings[stack] for stack in trainings if stack not in (*again, *uncounted)} - {trainings[()]}
    asked = round(len(seeds) * math.sqrt(len(others))) if baseline_seeds == AUTO else int(baseline_seeds)
    more = [*seeds, *range(len(seeds), asked)]
    return {
        stack: more if training == trainings[()] or stack in again else list(seeds)
        for stack, training in trainings.items()
    }
