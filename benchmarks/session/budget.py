"""The budget of ``--until-decided``: a wall time, GPU-hours, or a number of cells."""

import re
from dataclasses import dataclass

from benchmarks.errors import BadInput
from benchmarks.session.doing import duration

_SECONDS = dict(s=1, min=60, h=3600, d=86400)
_CELLS, _GPU_HOURS = 'cells', 'gpuh'


@dataclass(frozen=True)
class Budget:
    """What may be spent.

    Args:
        seconds: Wall time of an invocation; None for no limit.
        cells: Cells of the grid, whether they are in the store or not; None for no limit.
        of_gpu: Whether the budget was one of GPU-hours. A run holds its GPUs from its beginning to its end, so that its
            GPU-hours are its wall time times their number.
    """

    seconds: float | None = None
    cells: int | None = None
    of_gpu: bool = False

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


def parse_budget(text: str | None, gpus: float = 1) -> Budget:
    """``30min``, ``2h``, ``1.5d``, ``2gpuh`` or ``500cells``; None is no limit.

    Args:
        text: The flag.
        gpus: How many GPUs run stages at once, by which GPU-hours are divided.

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
    if unit == _GPU_HOURS and number > 0:
        return Budget(seconds=number * _SECONDS['h'] / gpus, of_gpu=True)
    raise BadInput(
        f'--budget {text}: it is no budget; give a wall time such as 30min, 2h or 1d, GPU-hours: 2gpuh, or cells: '
        '500cells'
    )


def refuse_gpu_hours_without_a_gpu(text: str | None, device: str) -> None:
    """Refuse GPU-hours where no GPU runs the stages.

    Raises:
        BadInput: The budget is one of GPU-hours, and the device is ``cpu``.
    """
    if parse_budget(text).of_gpu and device == 'cpu':
        raise BadInput(
            f'--budget {text}: this run uses no GPU (--device cpu); give a wall time such as 30min, 2h or 1d'
        )
