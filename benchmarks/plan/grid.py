"""A grid: which baseline, which designs, how many seeds. One file in ``configs/grids/``:

title = 'Improvement table'
baseline = '../baselines/unet_small_icbm152.py'      # beside the grid file, or 'mmseg::…'
designs = [dict(type='cumulative', techniques=['cbam', 'focal_dice_boundary'])]
seeds = 3
published_dice = dict(baseline=85.0)                  # a publication's Dice per stack, shown beside ours
equivalence_margin = 0.5                              # Dice points within which two stacks count as equal
technique_folders = ['techniques']                    # folders of techniques of one's own, beside the grid file
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
        technique_folders: Folders of techniques of one's own; paths beside the grid's file. By default ``techniques``
            beside the file, if there is such a folder.
        file: The grid's file.
    """

    name: str
    title: str
    baseline: str
    designs: list[dict]
    seeds: int = 3
    published_dice: dict[str, float] = field(default_factory=dict)
    equivalence_margin: float = 0.5
    technique_folders: list[str] = field(default_factory=list)
    file: Path = field(default=Path(), compare=False)

    @property
    def module_folders(self) -> list[Path]:
        """The folders whose modules are imported by name: the grid's own, and those that hold technique folders."""
        above = [Path(folder).parent for folder in self.technique_folders]
        return list(dict.fromkeys([self.file.resolve().parent, *above]))


NOT_IN_FILES = ('name', 'file')
OWN_TECHNIQUES = 'techniques'


def read_grid(path: Path) -> Grid:
    """Read a grid's file; the path of a baseline is relative to the file's folder.

    Raises:
        BadInput: The file is missing, does not parse, or has a wrong or unknown field.
    """
    if not path.is_file():
        beside = sorted(other.stem for other in path.parent.glob('*.py')) if path.parent.is_dir() else []
        raise BadInput(f'there is no grid {path}{did_you_mean(path.stem, beside)}')
    content = load_config(path)
    known = {f.name for f in fields(Grid)}.difference(NOT_IN_FILES)
    for key in content.keys() - known:
        raise BadInput(f"{path} has a field '{key}' that no grid has{did_you_mean(key, known)}")
    for key in ('title', 'baseline', 'designs'):
        if key not in content:
            raise BadInput(f"{path} lacks the field '{key}'")
    _check_types(path, content)
    if '::' not in content['baseline']:
        content['baseline'] = str((path.parent / content['baseline']).resolve())
    content['technique_folders'] = _technique_folders(path, content.get('technique_folders'))
    return Grid(name=path.stem, **content, file=path)


def _technique_folders(path: Path, given: list[str] | None) -> list[str]:
    """The absolute paths of the folders that a grid names, or of the one beside it.

    Raises:
        BadInput: A folder does not exist.
    """
    beside = path.resolve().parent
    if given is None:
        return [str(beside / OWN_TECHNIQUES)] if (beside / OWN_TECHNIQUES).is_dir() else []
    folders = [(beside / folder).resolve() for folder in given]
    for name, folder in zip(given, folders):
        if not folder.is_dir():
            raise BadInput(f"{path}: 'technique_folders' names '{name}', and there is no folder {folder}")
    return [str(folder) for folder in folders]


def _check_types(path: Path, content: dict) -> None:
    wanted: dict[str, type | tuple[type, ...]] = dict(
        title=str,
        baseline=str,
        designs=list,
        seeds=int,
        published_dice=dict,
        equivalence_margin=(int, float),
        technique_folders=list,
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
    for folder in content.get('technique_folders', []):
        if not isinstance(folder, str):
            raise BadInput(f"{path}: 'technique_folders' holds {folder!r}; give paths beside the grid's file")
    for design in content['designs']:
        if not isinstance(design, dict):
            raise BadInput(f"{path}: 'designs' holds {design!r}; write dict(type='cumulative', techniques=[...])")
