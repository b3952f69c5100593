"""Runs of ``run_ablation.py`` as a user starts them, on a data set of a few small pictures.

The runs are costly (every process imports torch), so the fixtures are shared by the session, and by the processes over
which pytest-xdist spreads it: read what they leave, and change only copies of it.
"""

import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import mmseg
import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from project_copy import copy_project
from warm_python import WarmProcess, WarmPython

ROOT = Path(__file__).resolve().parents[2]
SHORT_PROFILES = ROOT / 'tests' / 'short_profiles'
MMSEG_TOOLS = Path(mmseg.__file__).parent / '.mim' / 'tools'
SECRET = 'a-token-of-the-environment-57193'
LONG_AGO = 1_500_000_000
# Nothing is waited for as long as this unless it hangs, even on a machine with ten times as much to do.
PATIENCE_S = 600
HEIGHT, WIDTH = 40, 48
FULL = ('cbam', 'focal_dice_boundary', 'multi_scale_small', 'flips_rot90', 'crf_cleanup')
SHORT = ('cbam', 'crf_cleanup')

BASELINE = """
_base_ = [{models!r}, {runtime!r}, {schedule!r}]
data = dict(
    type='BaseSegDataset', data_root={data_root!r}, img_suffix='.png', seg_map_suffix='.png',
    metainfo=dict(classes=('background', 'disc'), palette=[[0, 0, 0], [255, 0, 0]], background=0))
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(**data, data_prefix=dict(img_path='img/train', seg_map_path='ann/train'), pipeline=[
        pipeline[0], pipeline[1], dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5),
        pipeline[2]]))
test_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(**data, data_prefix=dict(img_path='img/test', seg_map_path='ann/test'), pipeline=pipeline))
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU', 'mDice'])
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='PolyLR', eta_min=1e-3, power=0.9, begin=0, end={steps}, by_epoch=False)]
train_cfg = dict(max_iters={steps}, val_interval={steps})
# Few steps: the running means must follow the batches quickly.
norm = dict(momentum=0.5)
model = dict(
    data_preprocessor=dict(size=(32, 32), test_cfg=dict(size_divisor=4)),
    backbone=dict(
        base_channels=8, num_stages=3, strides=(1, 1, 1), enc_num_convs=(1, 1, 1), dec_num_convs=(1, 1),
        downsamples=(True, True), enc_dilations=(1, 1, 1), dec_dilations=(1, 1), norm_cfg=norm),
    decode_head=dict(in_channels=8, in_index=2, channels=8, num_classes=2, norm_cfg=norm))
"""


class Finished(NamedTuple):
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.stdout + self.stderr


class Grid(NamedTuple):
    """A grid file, and where the runs of this grid put what they make."""

    path: Path
    work_dir: Path

    @property
    def out(self) -> Path:
        """Where records and report are."""
        return self.work_dir / self.path.stem

    @property
    def store(self) -> Path:
        """Where the results of stages are."""
        return self.work_dir / 'store'

    def manifests(self) -> dict[str, tuple[int, int]]:
        """Identity of each stored result, which changes when it is written again: ``<stage>/<key>`` → inode, mtime."""
        found = {}
        for path in self.store.glob('*/*/manifest.json'):
            if path.parent.parent.name == 'running':
                continue
            try:
                status = path.stat()
            except FileNotFoundError:  # a running driver may replace it
                continue
            found[f'{path.parent.parent.name}/{path.parent.name}'] = status.st_ino, status.st_mtime_ns
        return found

    def keys(self) -> dict[str, str]:
        """``<kind> <cell or stack>`` → key, as the records of a finished run tell."""
        found = {}
        for path in (self.out / 'records').glob('*.json'):
            record = json.loads(path.read_text())
            if 'cell' in record:
                found |= {f'{kind} {record["cell"]}': key for kind, key in record['keys'].items() if key}
            else:
                found[f'profile {record["stack"]}'] = record['key']
        return found

    def records(self) -> dict[str, dict]:
        """The records of cells by name."""
        found = [json.loads(path.read_text()) for path in (self.out / 'records').glob('*__seed*.json')]
        return {record['cell']: record for record in found}

    def table(self) -> list[dict]:
        """The rows of ``table.csv``."""
        with open(self.out / 'report' / 'table.csv', newline='') as stream:
            return list(csv.DictReader(stream))

    def counts(self) -> list[dict]:
        """The rows of ``counts.csv.gz``."""
        with gzip.open(self.out / 'records' / 'counts.csv.gz', 'rt', newline='') as stream:
            return list(csv.DictReader(stream))

    def moved(self, work_dir: Path) -> 'Grid':
        """The same grid with a copy of its store, caches and output."""
        shutil.copytree(self.work_dir, work_dir, symlinks=True)
        return self._replace(work_dir=work_dir)


class Checkout:
    """A copy of the project's code.

    Args:
        root: Its folder.
        warm: Runs commands that have imported torch and mmseg before they start; None starts each anew.
    """

    def __init__(self, root: Path, warm: WarmPython | None = None) -> None:
        self.root, self.warm = root, warm
        self.environment = {name: value for name, value in os.environ.items() if name != 'ABLATION_WORK_DIR'}
        self.environment |= dict(PYTHONPATH=os.pathsep.join([str(root), str(SHORT_PROFILES)]), CUDA_VISIBLE_DEVICES='')

    def copy(self, folder: Path) -> 'Checkout':
        """A copy whose files a test may change."""
        copy_project(self.root, folder)
        return Checkout(folder, self.warm)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a piece of a file that stands in it once."""
        text = (self.root / file).read_text()
        assert text.count(old) == 1, f'{file} holds {text.count(old)} × {old!r}'
        (self.root / file).write_text(text.replace(old, new))

    def technique(self, name: str, overlay: str, module: str = '', code: str = '') -> None:
        """Add a technique, and its plugin module when it has ``code``."""
        imports = [module] if module else []
        (self.root / 'configs' / 'techniques' / f'{name}.py').write_text(
            f'title = {name!r}\ndescription = "Made by a test."\nimports = {imports!r}\noverlay = {overlay}\n'
        )
        if code:
            (self.root / f'{module.replace(".", "/")}.py').write_text(code)

    def command(self, grid: Grid, *flags: str) -> list[str]:
        """The words behind ``python``."""
        script, work_dir = str(self.root / 'run_ablation.py'), str(grid.work_dir)
        return [script, str(grid.path), '--work-dir', work_dir, '--device', 'cpu', *flags]

    def start(self, grid: Grid, *flags: str, within: Sequence[str] = ()) -> subprocess.Popen:
        """Start the driver anew, in a process group of its own, as a terminal does; perhaps within another command."""
        return subprocess.Popen(
            [*within, sys.executable, *self.command(grid, *flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=grid.path.parent,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )

    def start_warm(self, grid: Grid, *flags: str) -> subprocess.Popen | WarmProcess:
        """Start the driver in a process that has imported torch and mmseg, if there is one."""
        if self.warm is None:
            return self.start(grid, *flags)
        return self.warm.start(self.command(grid, *flags), self.environment, grid.path.parent)

    def run(self, grid: Grid, *flags: str) -> Finished:
        """Run the driver to its end."""
        return finish(self.start_warm(grid, *flags))

    def mmseg_tool(self, name: str, *arguments: object) -> subprocess.Popen | WarmProcess:
        """Start one of mmsegmentation's own scripts."""
        command = [str(MMSEG_TOOLS / name), *map(str, arguments)]
        if self.warm is not None:
            return self.warm.start(command, self.environment, self.root, joined=True)
        return subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            cwd=self.root,
        )


def _hear_interrupts() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, pytest among it, and what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: subprocess.Popen | WarmProcess, timeout_s: float = PATIENCE_S) -> Finished:
    """Wait for a process; one that hangs is killed with its whole group, and fails the test."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Finished(process.returncode, stdout, stderr or '')


def wait_until(condition, timeout_s: float = PATIENCE_S, poll_s: float = 0.01):
    """Poll until ``condition()`` is true, and give what it returns."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(poll_s)
    raise AssertionError(f'{condition.__name__} did not become true in {timeout_s} s')


def processes_of(session: int) -> list[int]:
    """Living processes of a session: all that a driver has started, and what these have."""
    found = []
    for path in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, _, own = path.read_text().rpartition(')')[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        if int(own) == session and state != 'Z':
            found.append(int(path.parent.name))
    return found


def stem(number: int) -> str:
    """The name of a picture without its suffix: no ASCII, and with a space, because names of files may be so."""
    return f'{number} Grün 日本'


def draw_pictures(root: Path) -> None:
    """Red discs on grey noise, 8 to train on and 6 to test on, with stamps from long ago: caches trust them."""
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for split, number in (('train', 8), ('test', 6)):
        for kind in ('img', 'ann'):
            (root / kind / split).mkdir(parents=True)
        for n in range(number):
            image, mask = rng.normal(110, 25, (HEIGHT, WIDTH, 3)), np.zeros((HEIGHT, WIDTH), np.uint8)
            for column in (WIDTH * 0.27, WIDTH * 0.73):
                centre = HEIGHT / 2 + rng.uniform(-6, 6), column + rng.uniform(-3, 3)
                disc = np.hypot(rows - centre[0], columns - centre[1]) < rng.uniform(6, 10)
                mask[disc] = 1
                image[disc] += (70, -35, -35)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / 'img' / split / f'{stem(n)}.png')
            Image.fromarray(mask).save(root / 'ann' / split / f'{stem(n)}.png')
    age(root)


def age(root: Path) -> None:
    """Give a folder and all that is in it stamps from long ago."""
    for path in (*root.rglob('*'), root):
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture(scope='session')
def made_once(tmp_path_factory):
    """``made_once(name, make)``: a folder that ``make(folder)`` has filled in one of the processes of this session."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base

    def folder_of(name: str, make) -> Path:
        folder, finished = shared / name, shared / f'{name} is complete'
        with FileLock(shared / f'{name}.lock'):
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
                folder.mkdir()
                make(folder)
                finished.touch()
        return folder

    return folder_of


@pytest.fixture(scope='session')
def pictures(made_once) -> Path:
    """The data set; don't write to it."""
    return made_once('pictures', lambda folder: draw_pictures(folder / 'data')) / 'data'


@pytest.fixture(scope='session')
def driving():
    """This module, for its functions."""
    return sys.modules[__name__]


@pytest.fixture(scope='session')
def project(warm_python) -> Checkout:
    """The project under test."""
    return Checkout(ROOT, warm_python)


@pytest.fixture(scope='session')
def write_grid(pictures):
    """Write a baseline and a grid of it: ``write_grid(folder, techniques, name=…, design=…, seeds=…, data_root=…)``."""

    def write(folder: Path, techniques, *, name='grid', design='cumulative', seeds=1, data_root=pictures) -> Grid:
        folder.mkdir(parents=True, exist_ok=True)
        for package in ('benchmarks', 'mmseg'):  # the current folder of each run: nothing may be imported from it
            (folder / package).mkdir(exist_ok=True)
            (folder / package / '__init__.py').write_text('raise SystemExit("another checkout was imported")\n')
        base = ROOT / 'configs' / '_base_'
        (folder / 'baseline.py').write_text(
            BASELINE.format(
                models=str(base / 'models' / 'unet_small.py'),
                runtime=str(base / 'runtime.py'),
                steps=12,
                schedule=str(base / 'schedules' / 'schedule_small.py'),
                data_root=str(data_root),
            )
        )
        path = folder / f'{name}.py'
        path.write_text(
            f'title = "Discs"\nbaseline = "baseline.py"\nseeds = {seeds}\n'
            f'designs = [dict(type={design!r}, techniques={list(techniques)!r})]\n'
        )
        return Grid(path, folder / 'work')

    return write


@pytest.fixture(scope='session')
def complete_runs(project, write_grid, made_once) -> tuple[Grid, Grid]:
    """Two grids run to their ends, side by side because neither keeps both cores busy."""

    def grids(folder: Path) -> tuple[Grid, Grid]:
        return (
            write_grid(folder / 'full', FULL, name='full', seeds=2),
            write_grid(folder / 'short', SHORT, name='short'),
        )

    def run(folder: Path) -> None:
        full, short = grids(folder)
        watched = Checkout(project.root, project.warm)
        watched.environment |= dict(NETWORK_LOG=str(folder / 'network.txt'), SOME_API_TOKEN=SECRET)
        for driver in (watched.start(full, '--jobs', '2'), watched.start_warm(short, '--jobs', '1')):
            done = finish(driver)
            assert done.status == 0, done.said

    folder = made_once('complete_runs', run)
    return tuple(Grid(folder / name / f'{name}.py', folder / name / 'work') for name in ('full', 'short'))


@pytest.fixture(scope='session')
def finished(complete_runs) -> Grid:
    """All techniques of the quickstart, one after the other, two seeds, two stages at a time; don't write to it."""
    return complete_runs[0]


@pytest.fixture(scope='session')
def uninterrupted(complete_runs) -> Grid:
    """Two techniques, one seed, one stage at a time; don't write to it."""
    return complete_runs[1]
