"""Exact distances between the contours of two label maps."""

# N boundary elements of one contour; :mod:`benchmarks.probes.boundary` defines them
from typing import NamedTuple

import numpy as np

from benchmarks.probes.compiled import compiled
from benchmarks.probes.contours import Contours


class SurfaceDistances(NamedTuple):
    """The distances between two boundaries, measured once; the summaries are cheap.

    Attributes:
        pred_to_target (np.ndarray): float64 (N of the prediction,), from each boundary element of the prediction to the
            nearest element of the target, in pixels and in no particular order; ``inf`` if the target has none.
        target_to_pred (np.ndarray): float64 (N of the target,), the opposite direction.
        pred_lengths (np.ndarray | None): float64 (N of the prediction,), the length of each element in pixels; None
            in the edge convention, where each element counts once.
        target_lengths (np.ndarray | None): The same for the target.
    """

    pred_to_target: np.ndarray
    target_to_pred: np.ndarray
    pred_lengths: np.ndarray | None = None
    target_lengths: np.ndarray | None = None

    @property
    def hd95_px(self) -> float:
        """float: The 95 % Hausdorff distance in pixels."""
        if self._one_is_empty:
            return float('nan')
        return float(max(_percentile95(*direction) for direction in self._directions))

    @property
    def assd_px(self) -> float:
        """float: The average symmetric surface distance in pixels."""
        if self._one_is_empty:
            return float('nan')
        there, back = self._directions
        return float((_total(*there) + _total(*back)) / (_size(*there) + _size(*back)))

    @property
    def mean_px(self) -> tuple[float, float]:
        """tuple[float, float]: The average distances prediction → target and target → prediction, not symmetric."""
        if self._one_is_empty:
            return float('nan'), float('nan')
        there, back = (float(_total(*direction) / _size(*direction)) for direction in self._directions)
        return there, back

    def close(self, tolerance_px: float) -> float:
        """float: The part of both boundaries within the tolerance: a number of pixels, or a length."""
        return sum(
            _size(d[d <= tolerance_px], None if lengths is None else lengths[d <= tolerance_px])
            for d, lengths in self._directions
        )

    @property
    def size(self) -> float:
        """float: The size of both boundaries together: a number of pixels, or a length."""
        return sum(_size(*direction) for direction in self._directions)

    def nsd(self, tolerance_px: float) -> float:
        """float: The normalised surface Dice at a tolerance in pixels."""
        return float(self.close(tolerance_px) / self.size) if self.size else float('nan')

    @property
    def _directions(self) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray | None]]:
        return (self.pred_to_target, self.pred_lengths), (self.target_to_pred, self.target_lengths)

    @property
    def _one_is_empty(self) -> bool:
        return self.pred_to_target.size == 0 or self.target_to_pred.size == 0


def distances_between(pred: Contours, target: Contours) -> list[SurfaceDistances]:
    """Measure each class's distances, in both directions.

    Distances are roots of integers, correctly rounded.

    Args:
        pred (Contours): The contours of the prediction.
        target (Contours): The contours of the truth, by the same convention and with as many classes.

    Returns:
        list[SurfaceDistances]: One per class.
    """
    there, back = _nearest(pred, target), _nearest(target, pred)
    return [
        SurfaceDistances(
            there[p],
            back[t],
            *(None if side.lengths is None else side.lengths[part] for side, part in ((pred, p), (target, t))),
        )
        for p, t in zip(_parts(pred), _parts(target), strict=True)
    ]


def _parts(contours: Contours) -> list[slice]:
    return [slice(*ends) for ends in zip(contours.first[:-1], contours.first[1:])]


def _nearest(contours: Contours, goals: Contours) -> np.ndarray:
    """The distance from each element to the nearest goal of the same class, float64 (N,)."""
    distances = np.full(len(contours.points), np.inf)
    if len(goals.points):
        rows, width = goals.points.max(axis=0) + 1
        # One buffer for all classes stays in the processor's cache: filling it anew is faster than reading old ones.
        buffer = np.empty(int(rows) * int(width), np.uint16 if rows < 2**15 else np.uint32)
        _measure(contours.points, contours.first, goals.points, goals.first, buffer, distances)
    return distances


@compiled
def _measure(points, first, goals, first_goal, buffer, distances):
    for c in range(len(first) - 1):
        elements, ends = slice(first[c], first[c + 1]), slice(first_goal[c], first_goal[c + 1])
        if elements.stop > elements.start and ends.stop > ends.start:
            _measure_class(points[elements], goals[ends], buffer, distances[elements])


@compiled
def _measure_class(points, goals, buffer, distances):
    """Sweep the box around the goals down and up, row by row, with each pixel's distance to a goal in its column.

    A row is complete on the way up. Then the distances of the points in that row are computed. The first and the last
    row also serve the points above and below the box; their distance from the box is added.
    """
    top, left, rows, width = _box(goals)
    columns = buffer[: rows * width].reshape(rows, width)
    none = 1 << (8 * columns.itemsize - 1)  # larger than any distance: the column has no goal so far
    goal, point = 0, len(points) - 1
    columns[:] = none
    for r in range(rows):
        if r:
            _one_further(columns[r - 1], columns[r])
        while goal < len(goals) and goals[goal, 0] == top + r:
            columns[r, goals[goal, 1] - left] = 0
            goal += 1
    for r in range(rows - 1, -1, -1):
        if r < rows - 1:
            _one_further(columns[r + 1], columns[r])
        while point >= 0 and (points[point, 0] >= top + r or r == 0):
            beyond = abs(points[point, 0] - top - r)
            distances[point] = np.sqrt(_nearest_in_row(columns[r], none, points[point, 1] - left, beyond))
            point -= 1


@compiled
def _one_further(before, row):
    for c in range(len(row)):
        row[c] = min(row[c], before[c] + 1)


@compiled
def _box(points):
    top, bottom = points[0, 0], points[-1, 0]
    left = right = points[0, 1]
    for i in range(len(points)):
        left, right = min(left, points[i, 1]), max(right, points[i, 1])
    return top, left, bottom - top + 1, right - left + 1


@compiled
def _nearest_in_row(row, none, column, beyond):
    """The squared distance from a column to the nearest goal; the search goes outwards, column by column."""
    squared = 1 << 62
    away = max(0, -column, column - len(row) + 1)
    while away * away < squared and (away <= column or away < len(row) - column):
        if away <= column and row[column - away] < none:
            squared = min(squared, (row[column - away] + beyond) ** 2 + away * away)
        if away < len(row) - column and row[column + away] < none:
            squared = min(squared, (row[column + away] + beyond) ** 2 + away * away)
        away += 1
    return squared


def _size(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    """The amount of boundary: the number of elements, or their length."""
    return distances.size if lengths is None else float(lengths.sum())


def _total(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    return float((distances if lengths is None else distances * lengths).sum())


def _percentile95(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    if lengths is None:
        return float(np.percentile(distances, 95))
    order = np.argsort(distances, kind='stable')
    share = np.cumsum(lengths[order]) / lengths.sum()
    return float(distances[order[min(int(np.searchsorted(share, 0.95)), len(order) - 1)]])
