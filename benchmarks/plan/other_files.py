"""Says what a file seems to be that is given as a grid and is none: a config, a technique, a run's ``grid.json`` …"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.errors import BadInput, did_you_mean
from benchmarks.stacks.compose import load_config

# What mmengine reads as a config beside Python files.
DATA_SUFFIXES = {'.yaml': 'YAML', '.yml': 'YAML', '.json': 'JSON'}
CHECKPOINT_SUFFIXES = ('.pth', '.pt', '.ckpt', '.safetensors')
OF_A_GRID = {'designs', 'baseline'}
OF_A_RUN = {'rows', 'comparisons', 'version'}  # the harness writes them to grid.json


class Kind(NamedTuple):
    """A kind of file that a user may take for a grid.

    Attributes:
        called: The word for it.
        marks: Fields that such files have, and grids have not.
        is_baseline: Whether a grid names it as its baseline; otherwise as a technique.
    """

    called: str
    marks: set[str]
    is_baseline: bool


KINDS = (
    Kind(
        'a config of a baseline',
        {'model', 'train_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg', '_base_'},
        is_baseline=True,
    ),
    Kind('a technique', {'overlay', 'imports', 'paper', 'use_when', 'sibling'}, is_baseline=False),
)


def refuse_no_file(path: Path) -> None:
    """Refuse a path that is missing, a folder, or no Python file.

    Raises:
        BadInput: Names the path, what it seems to be, and the cure.
    """
    if (path / 'grid.json').is_file():
        raise BadInput(f"GRID {path} is a folder of records; name the grid's file, and this folder by --out {path}")
    if path.is_dir():
        inside = [str(path / f'{name}.py') for name in _grids_in(path)]
        cure = f'name one of its files ({", ".join(inside)})' if inside else 'name a grid file'
        raise BadInput(f'GRID {path} is a folder; {cure}')
    if not path.is_file():
        raise BadInput(f'there is no grid {path}{did_you_mean(path.stem, _grids_in(path.parent))}')
    if path.suffix != '.py':
        _refuse_no_python(path)


def _grids_in(folder: Path) -> list[str]:
    return sorted(other.stem for other in folder.glob('*.py')) if folder.is_dir() else []


def _refuse_no_python(path: Path) -> None:
    language = DATA_SUFFIXES.get(path.suffix)
    content: dict = {}
    if language:
        with suppress(BadInput):  # what cannot be read is no Python file all the same
            content = load_config(path)
    if content.keys() >= OF_A_RUN:
        raise BadInput(
            f'GRID {path} is the record of a finished run, not a grid; name the Python file that was run. '
            f'With --report-only --out {path.parent} that file makes the report anew'
        )
    refuse_another_kind(path, content)
    what = ''
    if content.keys() & OF_A_GRID:
        what = f'; it seems to be a grid in {language}, so write its fields as Python assignments'
    elif path.suffix in CHECKPOINT_SUFFIXES:
        what = "; it seems to be a checkpoint, which a baseline's config names as `load_from`"
    raise BadInput(
        f'GRID {path} is no Python file{what}. A grid is a Python file such as configs/grids/quickstart.py, with '
        f"title = '...', baseline = '...' and designs = [...]"
    )


def refuse_another_kind(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse a file that is plainly something else than a grid.

    Args:
        path: The file.
        content: Its fields.

    Raises:
        BadInput: Says what the file seems to be, and shows a grid that names it.
    """
    if content.keys() & OF_A_GRID:
        return
    for kind in KINDS:
        if content.keys() & kind.marks:
            _refuse(path, kind)


def _refuse(path: Path, kind: Kind) -> None:
    baseline, technique = '../baselines/unet_small_icbm152.py', path.stem
    if kind.is_baseline:
        baseline, technique = str(path.resolve()), '...'
    language = DATA_SUFFIXES.get(path.suffix)
    what = kind.called + (f' in {language}' if language else '')
    cure = 'Write a grid that names it, for example'
    if language and not kind.is_baseline:
        cure = f'Write it as the Python file {path.stem}.py, and a grid that names it, for example'
    raise BadInput(
        f'GRID {path} is {what}, not a grid. {cure}\n'
        f"  title = 'My grid'\n"
        f"  baseline = '{baseline}'\n"
        f"  designs = [dict(type='cumulative', techniques=['{technique}'])]"
    )
