"""The scores by which a grid may ask: their names, units, and which way is better.

Nothing is computed here, so that a plan can ask without importing numpy.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

POINTS, PIXELS = 'percent points', 'pixels'


class Metric(NamedTuple):
    """A score of :mod:`benchmarks.analysis.scores`.

    Attributes:
        name: Its key.
        title: Its name in a text.
        unit: ``POINTS`` or ``PIXELS``, of differences.
        less_is_better: Whether a smaller value is a gain.
    """

    name: str
    title: str
    unit: str = POINTS
    less_is_better: bool = False

    @property
    def value_unit(self) -> str:
        """The unit of a value in a table."""
        return '%' if self.unit == POINTS else 'px'

    @property
    def short_unit(self) -> str:
        """The unit of a difference in a sentence."""
        return 'points' if self.unit == POINTS else 'px'

    @property
    def bounds(self) -> tuple[float, float]:
        """The possible differences."""
        return (-100.0, 100.0) if self.unit == POINTS else (float('-inf'), float('inf'))

    def amount(self, value: float) -> str:
        """An amount of it, such as ``0.5 percent points``."""
        return f'{value:g} {self.unit[:-1] if value == 1 else self.unit}'


DICE = Metric('dice', 'Dice')
METRIC_OF = {
    metric.name: metric
    for metric in (
        DICE,
        Metric('mdice', 'mDice'),
        Metric('miou', 'mIoU'),
        Metric('boundary_iou', 'boundary IoU'),
        Metric('nsd', 'surface Dice'),
        Metric('hd95_px', 'HD95', PIXELS, less_is_better=True),
        Metric('assd_px', 'ASSD', PIXELS, less_is_better=True),
    )
}


def metric_asked(grid: Mapping[str, Any]) -> Metric:
    """The metric by which a grid asks: that of its last question, or Dice of records from before there was one.

    Args:
        grid: The content of ``grid.json``.
    """
    questions = grid.get('questions') or []
    return METRIC_OF[questions[-1]['metric']] if questions else DICE


def margins_of(grid: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, float]:
    """The equivalence margin of each metric: that of the grid in the unit of its question, 0 (none) in another."""
    asked = metric_asked(grid).unit
    return {name: grid['equivalence_margin'] * (METRIC_OF[name].unit == asked) for name in metrics}


def dice_margin(grid: Mapping[str, Any]) -> float:
    """The equivalence margin for answers by Dice: that of a grid which asks by a score in percent, or 0 for none."""
    return margins_of(grid, [DICE.name])[DICE.name]
