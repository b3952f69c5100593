"""The table of strata as arrays (:mod:`benchmarks.data.strata` says what the bins are)."""
# N images, K classes, B bins

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.analysis.csv_table import read_csv_table
from benchmarks.analysis.folds import pooled_counts
from benchmarks.data.strata import ALL_CLASSES, BINS, FILE, OBJECT, STRATA_COLUMNS, STRATA_COUNTS, STRATA_NAMES


class CellStrata(NamedTuple):
    """Strata of one cell.

    Attributes:
        objects: int32 (N, K, B, 4), of each size bin the number of objects, their pixels, those labelled right, and
            extra ones.
        pixels: By partition, int64 (N, B, 2): labelled pixels, and those labelled right.
    """

    objects: np.ndarray
    pixels: dict[str, np.ndarray]


def read_strata_counts(out: Path, images: Sequence[str], n_classes: int, n_folds: int = 0) -> dict[str, CellStrata]:
    """Read ``<out>/records/strata.csv.gz``.

    Args:
        out: The output folder.
        images: The names of the images, in the order of the arrays.
        n_classes: K.
        n_folds: The number of folds of the grid, whose cells are pooled; 0 for none.

    Returns:
        The strata of each cell; of none if the file does not exist, as in records from before it.

    Raises:
        ValueError: The file is damaged, lacks a column, or holds an unknown image, partition, class or bin.
    """
    path = Path(out) / 'records' / FILE
    if not path.is_file():
        return {}
    types = dict.fromkeys(STRATA_NAMES, str) | dict.fromkeys(STRATA_COUNTS, np.int64)
    frame = read_csv_table(path, types, STRATA_COLUMNS)
    if n_folds:
        frame, _ = pooled_counts(frame, n_folds, str(path))
    return strata_from_frame(frame, images, n_classes, str(path))


def strata_from_frame(
    frame: pd.DataFrame, images: Sequence[str], n_classes: int, source: str = 'strata'
) -> dict[str, CellStrata]:
    """Turn the long table into arrays; see :func:`read_strata_counts`."""
    number = {name: index for index, name in enumerate(images)}
    frame = frame.assign(image=frame['image'].map(number).fillna(-1).astype(int))
    last = frame['by'].map(BINS).fillna(0)
    allowed = np.where(frame['by'] == OBJECT, frame['class'].between(0, n_classes - 1), frame['class'] == ALL_CLASSES)
    wrong = (frame['image'] < 0) | ~frame['bin'].between(0, last - 1) | ~allowed
    if wrong.any():
        line = frame[wrong].iloc[0]
        raise ValueError(
            f'{source}: has a row for cell {line["cell"]!r}, by {line["by"]!r}, class {line["class"]}, bin '
            f'{line["bin"]} that does not fit the other records; run the grid again with this --out'
        )
    return {str(cell): _of_cell(part, len(images), n_classes) for cell, part in frame.groupby('cell', sort=True)}


def _of_cell(part: pd.DataFrame, n_images: int, n_classes: int) -> CellStrata:
    objects = np.zeros((n_images, n_classes, BINS[OBJECT], 4), np.int32)  # the largest array of a report
    pixels = {}
    for by, rows in part.groupby('by', sort=False):
        image, label, place = (rows[name].to_numpy() for name in ('image', 'class', 'bin'))
        if by == OBJECT:
            objects[image, label, place] = rows[['objects', 'pixels', 'right', 'extra']].to_numpy()
        else:
            pixels[str(by)] = np.zeros((n_images, BINS[str(by)], 2), np.int64)
            pixels[str(by)][image, place] = rows[['pixels', 'right']].to_numpy()
    return CellStrata(objects, pixels)
