"""A grid: which baseline, which designs, how many seeds. One file in ``configs/grids/``:

title = 'Improvement table'
baseline = '../baselines/unet_small_icbm152.py'      # beside the grid file, or 'mmseg::…'
designs = [dict(type='cumulative', techniques=['cbam', 'focal_dice_boundary'])]
seeds = 3
published_dice = dict(baseline=85.0)                  # a publication's Dice per stack, shown beside ours
equivalence_margin = 0.5                              # Dice points within which two stacks count as equal
"""

import math
from dataclasses import dataclass, field, fields
from pathlib import Path

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.compose import load_config


@dataclass(frozen=True)
class Grid:
    """The content of a grid file.

    Args:
        name: The file's name without its suffix.
        title: Heading of the report.
        baseline: The baseline's config: a path, or ``mmseg::…``.
        designs: See :func:`benchmarks.plan.designs.lay_out`.
        seeds: The number of seeds, counted from 0.
        published_dice: Published Dice in percent by stack name.
        equivalence_margin: In points of Dice.
    """

    name: str
    title: str
    baseline: str
    designs: list[dict]
    seeds: int = 3
    published_dice: dict[str, float] = field(default_factory=dict)
    equivalence_margin: float = 0.5


def read_grid(path: Path) -> Grid:
    """Read a grid's file; the path of a baseline is relative to the file's folder.

    Raises:
        BadInput: The file is missing, does not parse, or has a wrong or unknown field.
    """
    if not path.is_file():
        beside = sorted(other.stem for other in path.parent.glob('*.py')) if path.parent.is_dir() else []
        raise BadInput(f'there is no grid {path}{did_you_mean(path.stem, beside)}')
    content = load_config(path)
    known = {f.name for f in fields(Grid)} - {'name'}
    for key in content.keys() - known:
        raise BadInput(f"{path} has a field '{key}' that no grid has{did_you_mean(key, known)}")
    for key in ('title', 'baseline', 'designs'):
        if key not in content:
            raise BadInput(f"{path} lacks the field '{key}'")
    _check_types(path, content)
    if '::' not in content['baseline']:
        content['baseline'] = str((path.parent / content['baseline']).resolve())
    return Grid(name=path.stem, **content)


def _check_types(path: Path, content: dict) -> None:
    wanted: dict[str, type | tuple[type, ...]] = dict(
        title=str, baseline=str, designs=list, seeds=int, published_dice=dict, equivalence_margin=(int, float)
    )
    for key, value in content.items():
        if not isinstance(value, wanted[key]):
            raise BadInput(f"{path}: '{key}' is {value!r}; see the example in benchmarks/plan/grid.py")
    margin = content.get('equivalence_margin', 0)
    if isinstance(margin, bool) or not 0 <= margin < math.inf:
        raise BadInput(f"{path}: 'equivalence_margin' is {margin!r}; give points of Dice, 0 or more")
    for stack, dice in content.get('published_dice', {}).items():
        if isinstance(dice, bool) or not isinstance(dice, (int, float)) or not math.isfinite(dice):
            raise BadInput(f"{path}: published_dice of '{stack}' is {dice!r}; give a number in percent, such as 85.0")
    for design in content['designs']:
        if not isinstance(design, dict):
            raise BadInput(f"{path}: 'designs' holds {design!r}; write dict(type='cumulative', techniques=[...])")
