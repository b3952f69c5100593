"""How the Dice of single images is spread in each row, and how far it differs from that of the row's reference."""
# N images, S seeds

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.analysis.pairs import shared_seeds
from benchmarks.analysis.scores import dice_per_image
from benchmarks.record import cell_name
from benchmarks.reports.results import Results, ok_seeds

DICE, DIFFERENCE = 'dice', 'difference'
PERCENTS = (5, 25, 50, 75, 95)
COLUMNS = (
    'stack',
    'reference',  # of differences; empty for Dice itself
    'kind',
    'n_images',
    *(f'p{percent}' for percent in PERCENTS),
    'lowest',
    'lowest_image',
    'highest',
    'highest_image',
    'n_below',  # images in which the difference is below 0, and above 0; of Dice itself 0
    'n_above',
)


def image_table(results: Results, stacks: Sequence[str]) -> pd.DataFrame:
    """One row for the Dice of a stack, and one for its differences to its reference.

    Of each image it is the mean over the seeds in which the score is defined; differences are paired by image and seed.
    The reference is that of the stack's first comparison in the grid. Numbers are percent, or percent points.

    Args:
        results: The records of the grid.
        stacks: The stacks to look at.
    """
    scores = _Scores(results)
    references: dict[str, str] = {}
    for comparison in results.grid['comparisons']:
        references.setdefault(comparison['stack'], comparison['reference'])
    rows = (row for stack in stacks for row in _rows(stack, references.get(stack), scores, results))
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Scores:
    """The Dice of each image of a cell; that of references is computed once."""

    def __init__(self, results: Results) -> None:
        self._counts = results.counts
        self._foreground = results.foreground
        self._known: dict[str, np.ndarray] = {}

    def of(self, stack: str, seeds: Iterable[int]) -> np.ndarray:
        """Percent, (S, N)."""
        return np.array([self._of_cell(cell_name(stack, seed)) for seed in seeds])

    def _of_cell(self, cell: str) -> np.ndarray:
        if cell not in self._known:
            self._known[cell] = dice_per_image(self._counts.cells[cell], self._foreground)
        return self._known[cell]


def _rows(stack: str, reference: str | None, scores: _Scores, results: Results) -> Iterator[Mapping]:
    seeds = ok_seeds(results, stack)
    if seeds:
        yield from _row(stack, '', DICE, scores.of(stack, seeds), results.counts.images)
    both = shared_seeds(results.counts, stack, reference, seeds) if reference is not None else ()
    if reference is not None and both:
        difference = scores.of(stack, both) - scores.of(reference, both)
        yield from _row(stack, reference, DIFFERENCE, difference, results.counts.images)


def _row(stack: str, reference: str, kind: str, values: np.ndarray, images: Sequence[str]) -> Iterator[Mapping]:
    """The spread of the means over seeds of (S, N) values; nothing where none is defined."""
    defined = ~np.isnan(values)
    number = defined.sum(axis=0)
    known = np.flatnonzero(number)
    if not len(known):
        return
    means = np.where(defined, values, 0).sum(axis=0)[known] / number[known]
    low, high = int(means.argmin()), int(means.argmax())
    yield dict(
        stack=stack,
        reference=reference,
        kind=kind,
        n_images=len(means),
        **{f'p{percent}': value for percent, value in zip(PERCENTS, np.percentile(means, PERCENTS))},
        lowest=means[low],
        lowest_image=images[known[low]],
        highest=means[high],
        highest_image=images[known[high]],
        n_below=int((means < 0).sum()) if kind == DIFFERENCE else 0,
        n_above=int((means > 0).sum()) if kind == DIFFERENCE else 0,
    )
