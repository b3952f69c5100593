"""Whole commands of ``run_ablation.py``, as a user starts them, on a few small pictures that need no download."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.check.baselines import on_pictures
from benchmarks.check.toy_data import draw_pictures
from benchmarks.stacks.compose import dump_config, load_config, strip_helpers

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / 'configs' / 'baselines' / 'unet_small_icbm152.py'


def write_baseline(folder: Path) -> None:
    """Draw the pictures, and write the quickstart's baseline with these as its data."""
    draw_pictures(folder / 'data')
    dump_config(on_pictures(strip_helpers(load_config(BASELINE)), folder / 'data'), folder / 'baseline.py')


def write_grid(folder: Path, name: str, design: str, techniques: Sequence[str], seeds: int) -> Path:
    """A grid of one design on the baseline of :func:`write_baseline`."""
    path = folder / f'{name}.py'
    path.write_text(
        f'title = {name!r}\nbaseline = "baseline.py"\nseeds = {seeds}\npositive_control = False\n'
        f'designs = [dict(type={design!r}, techniques={list(techniques)!r})]\n'
    )
    return path


def command_seconds(grid: Path, work_dir: Path, *flags: str) -> float:
    """Seconds of wall time of a command, from the start of the interpreter to its end.

    Raises:
        RuntimeError: The command failed; gives its output.
    """
    command = [
        sys.executable,
        str(ROOT / 'run_ablation.py'),
        str(grid),
        '--work-dir',
        str(work_dir),
        '--device',
        'cpu',
        *flags,
    ]
    environment = {name: value for name, value in os.environ.items() if name != 'ABLATION_WORK_DIR'}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}')
    return seconds


def dry_run_seconds(grid: Path, work_dir: Path) -> float:
    """Seconds of a dry run."""
    return command_seconds(grid, work_dir, '--dry-run')
