"""A config in mmsegmentation's own scripts, within this process: what they train, and the score that they tell."""

import json
import runpy
import sys
from pathlib import Path

import mmseg
import torch

from benchmarks.check.global_state import fresh_process, without_package
from benchmarks.stacks.compose import dump_config
from benchmarks.stages.checkpoints import read_training_checkpoint

TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
HARNESS = __name__.partition('.')[0]


def train_plainly(config: dict, folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """``tools/train.py`` on the dumped config.

    Returns:
        The last checkpoint, and its state dict.
    """
    work_dir = folder / 'train'
    _run_tool('train.py', _dumped(config, folder), '--work-dir', work_dir)
    checkpoint = work_dir / Path((work_dir / 'last_checkpoint').read_text().strip()).name
    return checkpoint, dict(read_training_checkpoint(checkpoint)['state_dict'])


def miou_plainly(config: dict, checkpoint: Path, folder: Path) -> float:
    """The mIoU in percent that ``tools/test.py`` tells of the dumped config with these weights."""
    work_dir = folder / 'test'
    _run_tool('test.py', _dumped(config, folder), checkpoint, '--work-dir', work_dir)
    told = [json.loads(path.read_text()) for path in work_dir.glob('*/*.json')]
    return float(next(scores['mIoU'] for scores in told if 'mIoU' in scores))


def _dumped(config: dict, folder: Path) -> Path:
    path = folder / 'dumped.py'
    dump_config(config, path)
    if f"'{HARNESS}." in path.read_text():
        raise ImportError(f"the dumped config names a module of '{HARNESS}', which plain mmsegmentation does not have")
    return path


def _run_tool(name: str, *arguments: object) -> None:
    with fresh_process(), without_package(HARNESS):
        sys.argv = [str(TOOLS / name), *map(str, arguments)]
        runpy.run_path(sys.argv[0], run_name='__main__')
