"""How far the confidence of each row can be trusted: a table, and a section of a report."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmarks.analysis.calibration import HIGH, LOW, of_stack
from benchmarks.analysis.findings import judged, of_these_checkpoints_if_one
from benchmarks.data.strata import CONFIDENT
from benchmarks.record import cell_name
from benchmarks.reports.arms import clean_rows, stacks_not_learned
from benchmarks.reports.phrases import interval_text, signed, some_of_rows
from benchmarks.reports.results import Results, ok_seeds

MOST_NAMED = 8
_BINS = [f'{100 * low:g}_{100 * high:g}' for low, high in zip(LOW, HIGH)]
CALIBRATION_COLUMNS = (
    'stack',
    'overconfidence',
    'low',
    'high',
    'verdict',
    'n_seeds',
    *(f'right_{name}' for name in _BINS),
    *(f'pixels_{name}' for name in _BINS),
)
_VERDICTS = dict(gain='overconfident', loss='underconfident')


def calibration_table(results: Results) -> pd.DataFrame:
    """One row per clean stack without refinement, with the columns ``CALIBRATION_COLUMNS``; none without strata.

    ``overconfidence`` is that of :mod:`benchmarks.analysis.calibration` in percent points, with its 95 % interval over
    images and seeds, with one seed over images alone; verdicts are corrected over all rows. ``right_90_95`` is the
    share of the pixels with a confidence of 90 to 95 % that are labelled right, ``pixels_90_95`` the share of all
    pixels that have it, percent, over all seeds together.
    """
    unlearned = stacks_not_learned(results)
    rows, estimates = [], []
    for row in clean_rows(results.grid):
        cells = [cell_name(row['stack'], seed) for seed in ok_seeds(results, row['stack'])]
        plain = not any(results.records[cell]['keys'].get('refine') for cell in cells)
        if cells and plain and row['stack'] not in unlearned and all(cell in results.strata for cell in cells):
            strata = [results.strata[cell] for cell in cells]
            pixels, right = sum(cell.pixels[CONFIDENT].sum(axis=0) for cell in strata).T
            shares = np.where(pixels > 0, 100 * right / np.maximum(pixels, 1), np.nan)
            of_bins = dict(zip(CALIBRATION_COLUMNS[6:], [*shares, *(100 * pixels / max(pixels.sum(), 1))]))
            rows.append(dict(stack=row['stack']) | of_bins)
            estimates.append(of_stack(strata, results.counts.groups, results.counts.folds))
    judged_ones = judged([of_these_checkpoints_if_one(est) for est in estimates], margin=0.0)
    for line, est, found in zip(rows, estimates, judged_ones):
        line |= dict(overconfidence=found.value, low=found.low, high=found.high, n_seeds=est.n_seeds if est else 0)
        line |= dict(verdict=_VERDICTS.get(found.verdict, 'open'))
    return pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS))


def calibration_answer(table: pd.DataFrame, label_of: Mapping[str, str]) -> str:
    """The section in Markdown; empty where no row is shown to be over- or underconfident.

    Args:
        table: The table.
        label_of: The label of each stack.
    """
    sentences = []
    for verdict in _VERDICTS.values():
        rows = table[table['verdict'] == verdict]
        named = [
            f'“{label_of[row["stack"]]}” {signed(row["overconfidence"])} '
            f'{interval_text(row["low"], row["high"], sign=True)}'
            for _, row in rows.iterrows()
        ]
        if named:
            sentences.append(f'- {verdict.capitalize()}: {some_of_rows(named, MOST_NAMED)}.')
    if not sentences:
        return ''
    one = ', with one seed for the network that was trained alone' if (table['n_seeds'] == 1).any() else ''
    closing = (
        'By how much the confidence of a pixel exceeds the share of such pixels that are labelled right, at least; '
        f'percent points [95 %], corrected over all rows{one}. Each row by its own confidence, before refinement. '
        'All rows: [calibration.csv](calibration.csv).'
    )
    return '\n\n'.join(['### How far can confidence be trusted', '\n'.join(sentences), closing])
