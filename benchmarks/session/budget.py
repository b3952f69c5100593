"""The budget of ``--until-decided``: a wall time, or a number of cells."""

import re
from dataclasses import dataclass

from benchmarks.errors import BadInput
from benchmarks.session.doing import duration

_SECONDS = dict(s=1, min=60, h=3600, d=86400)
_CELLS = 'cells'


@dataclass(frozen=True)
class Budget:
    """What may be spent.

    Args:
        seconds: Wall time of an invocation; None for no limit.
        cells: Cells of the grid, whether they are in the store or not; None for no limit.
    """

    seconds: float | None = None
    cells: int | None = None

    def exceeded_by(self, elapsed_s: float, look_s: float, cells: int, *, free: bool) -> str | None:
        """Why a further look is beyond the budget; None if it is not.

        Args:
            elapsed_s: The wall time of the invocation so far.
            look_s: The estimated time of the look.
            cells: The cells of the grid with the look.
            free: Whether all stages of the look are in the store; such a look costs no time.
        """
        if self.seconds is not None and not free and elapsed_s + look_s > self.seconds:
            return (
                f'it takes about {duration(look_s)}, and {duration(elapsed_s)} of --budget {duration(self.seconds)} '
                'are gone'
            )
        if self.cells is not None and cells > self.cells:
            return f'the grid then has {cells} cells, and --budget allows {self.cells}'
        return None


def parse_budget(text: str | None) -> Budget:
    """``30min``, ``2h``, ``1.5d`` or ``500cells``; None is no limit.

    Raises:
        BadInput: The text is no such budget.
    """
    if text is None:
        return Budget()
    match = re.fullmatch(r'(\d+(?:\.\d+)?) ?([a-z]+)', text.strip())
    number, unit = (float(match[1]), match[2]) if match else (0.0, '')
    if unit == _CELLS and number >= 1 and number.is_integer():
        return Budget(cells=int(number))
    if unit in _SECONDS and number > 0:
        return Budget(seconds=number * _SECONDS[unit])
    raise BadInput(f'--budget {text}: it is no budget; give a wall time such as 30min, 2h or 1d, or cells: 500cells')
