"""Exact distances between the contours of two label maps, measured once; the summaries are cheap."""

# N boundary elements of one contour; :mod:`benchmarks.probes.boundary` says what they are
from typing import NamedTuple

import numpy as np

from benchmarks.probes.compiled import compiled
from benchmarks.probes.contours import Contours


class SurfaceDistances(NamedTuple):
    """The distances between two boundaries, measured once; the summaries are cheap.

    Attributes:
        pred_to_target (np.ndarray): float64 (N of the prediction,), from each boundary element of the prediction to the
            nearest one of the target, in pixels and in no particular order; ``inf`` where the target has none.
        target_to_pred (np.ndarray): float64 (N of the target,), the other way round.
        pred_lengths (np.ndarray | None): float64 (N of the prediction,), the length of each element in pixels; None
            in the edge convention, where each counts once.
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
        """float: How much of both boundaries lies within the tolerance: pixels (an integer), or length."""
        return sum(
            _size(d[d <= tolerance_px], None if lengths is None else lengths[d <= tolerance_px])
            for d, lengths in self._directions
        )

    @property
    def size(self) -> float:
        """float: How much there is of both boundaries together: pixels (an integer), or length."""
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
        pred (Contours): Of the prediction.
        target (Contours): Of the truth, found by the same convention and with as many classes.

    Returns:
        list[SurfaceDistances]: One per class.
    """
    there, back = _nearest(pred, target), _nearest(target, pred)
    return [
        SurfaceDistances(
            there[p],
            back[t],
            *(None if of.lengths is None else of.lengths[part] for of, part in ((pred, p), (target, t))),
        )
        for p, t in zip(_parts(pred), _parts(target), strict=True)
    ]


def _parts(contours: Contours) -> list[slice]:
    return [slice(*ends) for ends in zip(contours.first[:-1], contours.first[1:])]


def _nearest(contours: Contours, goals: Contours) -> np.ndarray:
    """From each element to the nearest one of the same class among the goals, float64 (N,)."""
    distances = np.full(len(contours.points), np.inf)
    if len(goals.points):
        rows, width = goals.points.max(axis=0) + 1
        # One buffer for all classes stays in the processor's cache: filling it anew is faster than to read kept ones.
        buffer = np.empty(int(rows) * int(width), np.uint16 if rows < 2**15 else np.uint32)
        _measure(contours.points, contours.first, goals.points, goals.first, buffer, distances)
    return distances


@compiled
def _measure(points, first, goals, first_goal, buffer, distances):
    for c in range(len(first) - 1):
        own, others = slice(first[c], first[c + 1]), slice(first_goal[c], first_goal[c + 1])
        if own.stop > own.start and others.stop > others.start:
            _measure_class(points[own], goals[others], buffer, distances[own])


@compiled
def _measure_class(points, goals, buffer, distances):
    """Down and up the box around the goals, row by row: how far each pixel is from the nearest goal of its column.

    Each row is complete on the way up, and then answers the points in it; the first and the last one also answer those
    above and below the box, which are as much further away as they lie outside.
    """
    top, left, rows, width = _box(goals)
    columns = buffer[: rows * width].reshape(rows, width)
    none = 1 << (8 * columns.itemsize - 1)  # half of what the type holds, and more: the column has no goal so far
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
    """The squared distance from a column to the nearest goal; columns further and further away are asked."""
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
    """How much boundary the elements stand for: their number, or their length."""
    return distances.size if lengths is None else float(lengths.sum())


def _total(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    return float((distances if lengths is None else distances * lengths).sum())


def _percentile95(distances: np.ndarray, lengths: np.ndarray | None) -> float:
    if lengths is None:
        return float(np.percentile(distances, 95))
    order = np.argsort(distances, kind='stable')
    share = np.cumsum(lengths[order]) / lengths.sum()
    return float(distances[order[min(int(np.searchsorted(share, 0.95)), len(order) - 1)]])
