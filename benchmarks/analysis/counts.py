"""The counts table as arrays. Every score is derived from them."""
# N images, K classes, C cells

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from benchmarks.analysis.csv_table import read_csv_table
from benchmarks.analysis.folds import pooled_counts
from benchmarks.record import COUNT_COLUMNS, COUNT_NAMES, COUNTS, DISTANCES

AREA = ('tp', 'fp', 'fn')
BOUNDARY = ('boundary_tp', 'boundary_fp', 'boundary_fn')
EDGE = ('edge_close', 'edge_total')
T = TypeVar('T')


class CellCounts(NamedTuple):
    """Counts of one cell.

    Attributes:
        area: int64 (N, K, 3), pixels: true positive, false positive, false negative.
        boundary: int64 (N, K, 3), the same within the boundary band.
        edge: int64 (N, K, 2), edge pixels of prediction and truth: those within the tolerance of the other edge, and
            all.
        hd95_px: float64 (N, K), pixels; NaN where the class is absent from the prediction or the truth.
        assd_px: float64 (N, K), pixels; NaN likewise.
    """

    area: np.ndarray
    boundary: np.ndarray
    edge: np.ndarray
    hd95_px: np.ndarray
    assd_px: np.ndarray


class _Counts(NamedTuple):
    cells: dict[str, CellCounts]
    images: list[str]
    groups: np.ndarray
    folds: np.ndarray | None = None


class Counts(_Counts):
    """Counts of all ok cells; all cells have the same images.

    Attributes:
        cells: The counts of each cell, by its name.
        images: N image names, sorted.
        groups: int64 (N,), index of each image's group; images of one group are not independent.
        folds: int64 (N,), the fold in which each image is tested; None in a grid without folds.
    """

    @property
    def n_groups(self) -> int:
        """Number of image groups, the units that resampling draws."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What follows from these counts alone: computed when it is asked for first, then kept as long as they are.

        Args:
            key: What it is.
            compute: Computes it. The cells must not change afterwards; ``_replace`` makes counts that know nothing yet.
        """
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    @cached_property
    def _known(self) -> dict[Hashable, Any]:
        return {}


def read_counts(out: Path, n_folds: int = 0) -> Counts:
    """Read ``<out>/records/counts.csv.gz``.

    Args:
        out: The output folder.
        n_folds: The number of folds of the grid, whose cells are pooled; 0 for none.

    Returns:
        Counts: Without cells and images if the file does not exist, as after a run in which every cell failed.

    Raises:
        ValueError: The file is damaged or lacks a column, cells cover different images, or an image lacks a class.
    """
    path = Path(out) / 'records' / 'counts.csv.gz'
    if not path.is_file():
        return Counts({}, [], np.zeros(0, np.int64))
    frame = counts_frame(path)
    if not n_folds:
        return counts_from_frame(frame, str(path))
    frame, fold_of = pooled_counts(frame, n_folds, str(path))
    counts = counts_from_frame(frame, str(path))
    return counts._replace(folds=np.array([fold_of[image] for image in counts.images], np.int64))


def counts_frame(path: Path) -> pd.DataFrame:
    """The long table of a counts file (one row per cell x image x class).

    Raises:
        ValueError: The file is damaged, or lacks a column.
    """
    types = dict.fromkeys(COUNT_NAMES, str) | dict.fromkeys(COUNTS, np.int64) | dict.fromkeys(DISTANCES, float)
    return read_csv_table(path, types, COUNT_COLUMNS, na_values=dict.fromkeys(DISTANCES, ['']))


def counts_from_frame(frame: pd.DataFrame, source: str = 'counts') -> Counts:
    """Turn the long table (one row per cell x image x class) into arrays; see :func:`read_counts`."""
    if frame.empty:
        return Counts({}, [], np.zeros(0, np.int64))
    codes, names = zip(*(pd.factorize(frame[name], sort=True) for name in ('cell', 'image', 'group')))
    labels = frame['class'].to_numpy()
    n_classes = int(labels.max()) + 1
    order = np.lexsort((labels, codes[1], codes[0]))
    labels, (cell, image, group) = labels[order], (own[order] for own in codes)
    n_images = _images_of_each(cell, labels, image, group, n_classes, names[0], source)
    shape = (len(names[0]), n_images, n_classes)

    def column(name: str) -> np.ndarray:
        return frame[name].to_numpy()[order].reshape(shape)

    counts = [np.stack([column(name) for name in kind], axis=-1) for kind in (AREA, BOUNDARY, EDGE)]
    of_all = (*counts, *map(column, DISTANCES))
    cells = {name: CellCounts(*own) for name, *own in zip(names[0].tolist(), *of_all)}
    first = slice(0, n_images * n_classes, n_classes)
    groups = np.unique(group[first], return_inverse=True)[1].astype(np.int64)
    return Counts(cells, names[1][image[first]].tolist(), groups)


def _images_of_each(
    cell: np.ndarray,
    labels: np.ndarray,
    image: np.ndarray,
    group: np.ndarray,
    n_classes: int,
    names: Sequence[str],
    source: str,
) -> int:
    """The number of images of each cell, from rows that are sorted by cell, image and class.

    Raises:
        ValueError: An image lacks a class, or a cell has other images or groups than the first one; names the cell.
    """
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    first = None
    for own, low, high in zip(names, starts, [*starts[1:], len(cell)]):
        if (high - low) % n_classes or (labels[low:high].reshape(-1, n_classes) != np.arange(n_classes)).any():
            raise ValueError(
                f'{source}: cell {own!r} lacks a class of an image, or has one twice; '
                f'each image needs one row for each of the {n_classes} classes'
            )
        rows = np.stack([image[low:high:n_classes], group[low:high:n_classes]])
        first = rows if first is None else first
        if not np.array_equal(rows, first):
            raise ValueError(
                f'{source}: cell {own!r} was scored on other images or groups than cell '
                f'{names[0]!r}; run both on the same test data'
            )
    return 0 if first is None else first.shape[1]


def fold_of(counts: Counts, fold: int) -> Counts:
    """The counts of the images that are tested in a fold."""
    assert counts.folds is not None
    own = counts.folds == fold
    cells = {name: CellCounts(*(part[own] for part in cell)) for name, cell in counts.cells.items()}
    images = [image for image, chosen in zip(counts.images, own) if chosen]
    return Counts(cells, images, np.unique(counts.groups[own], return_inverse=True)[1].astype(np.int64))


def same_counts(a: CellCounts, b: CellCounts) -> bool:
    """Whether every count and every distance of every image is equal."""
    return all(np.array_equal(x, y, equal_nan=x.dtype.kind == 'f') for x, y in zip(a, b))
