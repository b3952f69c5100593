"""Runs mmsegmentation's own scripts on a config, within this process: their weights, and their mIoU."""

import json
import runpy
import sys
from pathlib import Path

import mmseg
import torch

from benchmarks.check.global_state import global_state_restored, without_package
from benchmarks.stacks.compose import dump_config
from benchmarks.stages.checkpoints import read_training_checkpoint

TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
HARNESS = __name__.partition('.')[0]


def train_with_mmseg(config: dict, folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """Run ``tools/train.py`` on the dumped config.

    Returns:
        The path of the last checkpoint, and its state dict.
    """
    work_dir = folder / 'train'
    _run_tool('train.py', _dumped(config, folder), '--work-dir', work_dir)
    checkpoint = work_dir / Path((work_dir / 'last_checkpoint').read_text().strip()).name
    return checkpoint, read_training_checkpoint(checkpoint)['state_dict']


def miou_with_mmseg(config: dict, checkpoint: Path, folder: Path) -> float:
    """The mIoU in percent that ``tools/test.py`` prints for the dumped config with these weights."""
    work_dir = folder / 'test'
    _run_tool('test.py', _dumped(config, folder), checkpoint, '--work-dir', work_dir)
    results = [json.loads(path.read_text()) for path in work_dir.glob('*/*.json')]
    return float(next(scores['mIoU'] for scores in results if 'mIoU' in scores))


def _dumped(config: dict, folder: Path) -> Path:
    path = folder / 'dumped.py'
    dump_config(config, path)
    if f"'{HARNESS}." in path.read_text():
        raise ImportError(f"the dumped config names a module of '{HARNESS}', which plain mmsegmentation does not have")
    return path


def _run_tool(name: str, *arguments: object) -> None:
    with global_state_restored(), without_package(HARNESS):
        sys.argv = [str(TOOLS / name), *map(str, arguments)]
        runpy.run_path(sys.argv[0], run_name='__main__')
