"""What the command line says beyond the grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import BadInput
from benchmarks.plan.grid import Grid


@dataclass(frozen=True)
class Settings:
    """What the command line says beyond the grid.

    Args:
        work_dir: Holds the stage store and caches.
        configs: The folder ``configs/``.
        device: ``cpu`` or ``cuda``.
        seeds: How many seeds, or None for the grid's own number.
        data_root: Set on every split, or None.
        cfg_options: Flat dotted keys → values for the baseline.
        tune: The number of trials of each technique with a ``search``; −1 for the largest number that one of them asks
            for; None for what the grid says.
        nodes: The kind of machine that stages run on, as text; None for this machine.
        panels: Whether the output folder may hold copies of test images.
        processes: How many processes train one network together.
    """

    work_dir: Path
    configs: Path
    device: str
    seeds: int | None = None
    data_root: str | None = None
    cfg_options: Mapping[str, Any] | None = None
    tune: int | None = None
    nodes: str | None = None
    panels: bool = True
    processes: int = 1

    @property
    def cache(self) -> Path:
        """The folder of remembered listings, checks and measurements."""
        return self.work_dir / 'cache'


def seeds_of(grid: Grid, settings: Settings) -> list[int]:
    """The seeds of each stack: 0, 1, … as the command line says, or else the grid.

    Raises:
        BadInput: The number of seeds is below 1.
    """
    count = grid.seeds if settings.seeds is None else settings.seeds
    if count < 1:
        raise BadInput(f'{count} seeds cannot be run; give at least 1 (--seeds N, or seeds in the grid)')
    return list(range(count))


def trials_asked(grid: Grid, settings: Settings) -> int | None:
    """The trials of each technique as the command line says, or else the grid; None where nothing is tuned."""
    return grid.tune if settings.tune is None else settings.tune
