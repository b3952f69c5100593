"""What folds and seeds each do to a difference: the difference in every fold, and the sources of its variance."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.analysis.counts import fold_of
from benchmarks.analysis.scores import score
from benchmarks.record import cell_name
from benchmarks.reports.phrases import NOTHING, signed, table_cell
from benchmarks.reports.results import Results, ok_seeds

HEADING = '## Folds and seeds'


def fold_section(results: Results, dice: pd.DataFrame) -> str:
    """The section of a report on folds; empty without folds, or without a difference.

    Args:
        results: The records and counts of the grid.
        dice: The comparisons by the score of the question.
    """
    if results.counts.folds is None:
        return ''
    pairs = dice[dice['delta'].notna()].drop_duplicates(['stack', 'reference'])
    rows = [_row(results, pair) for _, pair in pairs.iterrows()]
    if not rows:
        return ''
    numbers = [str(number) for number in range(len(results.grid['folds']))]
    head = f'| row | against | fold {" | ".join(numbers)} | due to seeds | due to folds | due to groups |'
    return '\n'.join(
        [
            f'{HEADING}\n',
            'Differences in the test images of each fold, mean over the shared seeds. The last columns say how '
            'much of the variance of the whole difference comes from other seeds, from other training sets than those '
            'of the folds, and from other test groups. Folds share most of their training images, so their part is '
            'larger than their spread shows.\n',
            head,
            '|' + '---|' * (head.count('|') - 1),
            *rows,
        ]
    )


def _row(results: Results, pair: pd.Series) -> str:
    labels = {row['stack']: row['label'] for row in results.grid['rows']}
    seeds, folds = pair['share_of_seeds'], pair['share_of_folds']
    parts = [seeds, folds, 1 - folds - (0.0 if np.isnan(seeds) else seeds)]
    shares = [NOTHING if np.isnan(part) else f'{max(part, 0.0):.0%}' for part in parts]
    deltas = [NOTHING if np.isnan(delta) else signed(delta) for delta in _deltas(results, pair)]
    sides = [table_cell(labels[pair[side]]) for side in ('stack', 'reference')]
    return f'| {" | ".join([*sides, *deltas, *shares])} |'


def _deltas(results: Results, pair: pd.Series) -> Iterator[float]:
    """The difference in each fold, in the unit of the score."""
    foreground = results.foreground
    theirs = ok_seeds(results, pair['reference'])
    seeds = [seed for seed in ok_seeds(results, pair['stack']) if seed in theirs]
    for fold in range(len(results.grid['folds'])):
        cells = fold_of(results.counts, fold).cells
        means = [
            np.mean([score(pair['metric'], cells[cell_name(pair[side], seed)], foreground) for seed in seeds])
            for side in ('stack', 'reference')
        ]
        yield float(means[0] - means[1])
