"""The tiles of a panel: image, truth, two predictions and their errors, each whole and around a boundary."""
# H×W pixels

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.data.panels import VOID, Panel
from benchmarks.reports.panels.colours import class_colours, coloured_errors, coloured_labels, errors

TITLES = ('image', 'truth', 'reference', 'stack', 'errors of the reference', 'errors of the stack')
SMALLEST_WINDOW, LARGEST_WINDOW, WINDOWS_ACROSS = 32, 96, 4
NEAR = 8  # px, of a boundary
_WHITE, _BLACK = 255, 0


class Tile(NamedTuple):
    """A tile.

    Attributes:
        title: One of ``TITLES``.
        whole: uint8 (H, W, 3), with a frame around the window.
        part: uint8 (h, w, 3), the window.
        is_photo: Whether it is the image; all others have few colours.
    """

    title: str
    whole: np.ndarray
    part: np.ndarray
    is_photo: bool


def tiles_of(panel: Panel, n_classes: int, background: int | None) -> list[Tile]:
    """The tiles of a panel, in the order of ``TITLES``."""
    colours = class_colours(n_classes, background)
    image = panel.image if panel.image.ndim == 3 else np.repeat(panel.image[..., None], 3, axis=2)
    pictures = [
        image,
        *(coloured_labels(labels, colours) for labels in (panel.truth, panel.reference, panel.stack)),
        *(coloured_errors(errors(labels, panel.truth, background)) for labels in (panel.reference, panel.stack)),
    ]
    rows, columns = window(panel)
    return [
        Tile(title, framed(picture, rows, columns), picture[rows, columns], number == 0)
        for number, (title, picture) in enumerate(zip(TITLES, pictures))
    ]


def window(panel: Panel) -> tuple[slice, slice]:
    """The square in which the two predictions differ most near a true boundary.

    Where they do not, it is the square in which they differ most, or else that with most pixels at a true boundary, or
    else the middle. Void pixels count nowhere. Of equal squares the one in their middle is taken.
    """
    scored = panel.truth != VOID
    height, width = panel.truth.shape
    size = min(max(max(height, width) // WINDOWS_ACROSS, SMALLEST_WINDOW), LARGEST_WINDOW)
    sizes = (min(size, height), min(size, width))
    differ, edges = (panel.stack != panel.reference) & scored, _at_boundary(panel.truth) & scored
    for marks in (differ & _near(edges), differ, edges):
        if marks.any():
            sums = _sums(marks, sizes)
            best = np.argwhere(sums == sums.max())
            top, left = best[((best - best.mean(axis=0)) ** 2).sum(axis=1).argmin()]
            break
    else:
        top, left = (height - sizes[0]) // 2, (width - sizes[1]) // 2
    return slice(int(top), int(top) + sizes[0]), slice(int(left), int(left) + sizes[1])


def framed(pixels: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """The picture with a white frame in a black one around a window; they begin at its last pixel, and go outwards."""
    result = pixels.copy()
    for distance, shade in ((1, _BLACK), (0, _WHITE)):
        top, bottom = max(rows.start - distance, 0), min(rows.stop + distance, len(pixels)) - 1
        left, right = max(columns.start - distance, 0), min(columns.stop + distance, pixels.shape[1]) - 1
        result[[top, bottom], left : right + 1] = shade
        result[top : bottom + 1, [left, right]] = shade
    return result


def _at_boundary(labels: np.ndarray) -> np.ndarray:
    """Pixels with a neighbour, above, below or beside, of another label: bool (H, W)."""
    edges = np.zeros(labels.shape, bool)
    below, beside = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edges[1:] |= below
    edges[:-1] |= below
    edges[:, 1:] |= beside
    edges[:, :-1] |= beside
    return edges


def _near(marks: np.ndarray) -> np.ndarray:
    """The pixels at most ``NEAR`` rows and columns away from a mark: bool (H, W)."""
    return _sums(np.pad(marks, NEAR), (2 * NEAR + 1, 2 * NEAR + 1)) > 0


def _sums(marks: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """How many marks each window of a size has, by its first row and column."""
    total = np.zeros((marks.shape[0] + 1, marks.shape[1] + 1), np.int64)
    total[1:, 1:] = marks.cumsum(axis=0).cumsum(axis=1)
    high, wide = sizes
    return total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
