"""Cells that fail: a row with its reason in the table, kept until asked to be tried again; the others go on."""

import os
import subprocess
from pathlib import Path

import pytest

LOSSES = """
import os
import random
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS

TROUBLE = Path(__file__).with_name('trouble')
CUDA_SAYS = (
    'CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB of which 1.02 GiB is '
    'free. Including non-PyTorch memory, this process has 14.74 GiB memory in use. Of the allocated memory 14.11 GiB '
    'is allocated by PyTorch, and 276.32 MiB is reserved by PyTorch but unallocated. If reserved but unallocated '
    'memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See '
    'documentation for '
    'Memory Management  (https://docs.pytorch.org/docs/stable/notes/cuda.html#optimizing-memory-usage-with-pytorch-alloc-conf)'
)


class FromTheSecondCallOn(CrossEntropyLoss):
    # The trial of one batch before a run calls it once.

    calls = 0

    def is_later_call(self):
        self.calls += 1
        return self.calls > 1

    def in_trouble(self):
        return self.is_later_call() and TROUBLE.exists()


@MODELS.register_module()
class NotANumber(FromTheSecondCallOn):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs) * (float('nan') if self.is_later_call() else 1)


@MODELS.register_module()
class Raising(FromTheSecondCallOn):
    def forward(self, *args, **kwargs):
        if self.in_trouble():
            raise RuntimeError('the lathe is jammed')
        return super().forward(*args, **kwargs)


@MODELS.register_module()
class Leaving(FromTheSecondCallOn):
    def forward(self, *args, **kwargs):
        if self.is_later_call():
            os._exit(0)
        return super().forward(*args, **kwargs)


@MODELS.register_module()
class Hungry(FromTheSecondCallOn):
    def forward(self, *args, **kwargs):
        if self.is_later_call():
            raise torch.OutOfMemoryError(CUDA_SAYS)
        return super().forward(*args, **kwargs)


@MODELS.register_module()
class Meddling(FromTheSecondCallOn):
    def forward(self, *args, **kwargs):
        if self.is_later_call():
            os.chdir('/')
            os.environ['OMP_NUM_THREADS'] = '7'
            torch.set_default_dtype(torch.float64)
            torch.backends.cudnn.benchmark = True
            torch.manual_seed(1), np.random.seed(1), random.seed(1)
            warnings.simplefilter('ignore')
        return super().forward(*args, **kwargs)


@MODELS.register_module()
class Slow(FromTheSecondCallOn):
    def forward(self, *args, **kwargs):
        if self.in_trouble():
            time.sleep(600)
        return super().forward(*args, **kwargs)
"""
TECHNIQUES = dict(
    slow='Slow', not_a_number='NotANumber', raising='Raising', leaving='Leaving', hungry='Hungry', meddling='Meddling'
)
TIMEOUT_S = 20  # ten times what the training takes that does not fail


@pytest.fixture(scope='module')
def workshop(project, tmp_path_factory):
    """A checkout with techniques that fail; two of them recover when ``trouble`` is gone."""
    copy = project.copy(tmp_path_factory.mktemp('workshop'))
    for name, loss in TECHNIQUES.items():
        overlay = f"dict(model=dict(decode_head=dict(loss_decode=dict(type='{loss}'))))"
        copy.technique(name, overlay, 'plugins.losses.workshop', LOSSES)
    (copy.root / 'plugins' / 'losses' / 'trouble').touch()
    return copy


@pytest.fixture(scope='module')
def troubled(workshop, write_grid, tmp_path_factory):
    """Each failing technique alone on the baseline, and how the run ended."""
    grid = write_grid(tmp_path_factory.mktemp('troubled'), list(TECHNIQUES), design='each_alone')
    return grid, workshop.run(grid, '--timeout', str(TIMEOUT_S), '--jobs', '2')


def outcomes(grid):
    return {record['stack']: (record['status'], record['failed_stage']) for record in grid.records().values()}


FAILED = dict(
    baseline=('ok', None),
    meddling=('failed', 'train'),
    hungry=('out_of_memory', 'train'),
    leaving=('failed', 'train'),
    not_a_number=('diverged', 'train'),
    raising=('failed', 'train'),
    slow=('timeout', 'train'),
)


def test_each_failure_is_a_record_with_its_reason(troubled):
    grid, done = troubled
    assert done.status == 1, done.said
    assert outcomes(grid) == FAILED
    reasons = {record['stack']: record['reason'] for record in grid.records().values()}
    assert reasons['baseline'] is None
    assert 'nan' in reasons['not_a_number'] and 'step 2' in reasons['not_a_number']
    assert reasons['raising'] == 'RuntimeError: the lathe is jammed'
    assert 'it calls os._exit(0); a part of a config must return, or raise an error' in reasons['leaving']
    assert reasons['slow'] == f'longer than {TIMEOUT_S} s'
    need_and_limit = 'Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB of which 1.02 GiB is free.'
    assert reasons['hungry'].startswith(f'OutOfMemoryError: CUDA out of memory. {need_and_limit}')
    for changed in (
        f'the current folder from {grid.path.parent} to /',
        "torch's default dtype from torch.float32 to torch.float64",
        "the seed of torch's generator from ",
        'whether cuDNN tries kernels out from False to True, and left it so: change it inside a with block that puts',
    ):
        assert changed in reasons['meddling'], reasons['meddling']
    named = [line for line in done.stderr.splitlines() if line.startswith('failed: ')]
    assert [line.split(': ')[1].split('__')[0] for line in named] == list(TECHNIQUES)
    logs = [Path(line.rpartition('(log: ')[2].rstrip(')')) for line in named]
    assert all(log.is_file() and log.parents[1] == grid.store / 'train' for log in logs), named


def test_failures_are_rows_without_numbers(troubled):
    rows = {row['stack']: row for row in troubled[0].table()}
    assert rows['baseline']['status'] == 'ok' and rows['baseline']['dice'] != ''
    for stack in TECHNIQUES:
        assert rows[stack]['status'].startswith('failed') and rows[stack]['n_seeds'] == '0'
        assert {rows[stack][name] for name in ('dice', 'dice_low', 'miou', 'latency_ms_p50', 'train_s')} == {''}
    assert {row['cell'] for row in troubled[0].counts()} == {'baseline__seed0'}
    report = (troubled[0].out / 'report' / 'README.md').read_text()
    assert 'the lathe is jammed' in report


def test_no_technique_changes_the_counts_of_another_row(troubled, uninterrupted):
    counts = [
        [row for row in grid.counts() if row['cell'] == 'baseline__seed0'] for grid in (troubled[0], uninterrupted)
    ]
    assert counts[0] == counts[1] != []


def test_failures_are_kept_until_they_are_tried_again(workshop, troubled, tmp_path):
    grid = troubled[0].moved(tmp_path / 'work')
    before = grid.manifests()
    (workshop.root / 'plugins' / 'losses' / 'trouble').unlink()
    kept = workshop.run(grid)
    assert kept.status == 1 and '9 cached, 0 to run' in kept.stdout
    assert '6 of the cached are failures, 6 more stages wait for them' in kept.stdout
    assert grid.manifests() == before and outcomes(grid) == FAILED
    tried = workshop.run(grid, '--retry-failed', '--jobs', '2')
    assert tried.status == 1, tried.said
    assert outcomes(grid) == FAILED | dict(raising=('ok', None), slow=('ok', None))
    after = grid.manifests()
    rerun = {name for name in before if after[name] != before[name]}
    keys = grid.keys()
    assert rerun == {f'train/{keys[f"train {name}__seed0"]}' for name in TECHNIQUES}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own that a test can fill."""
    place = tmp_path / 'disk'
    place.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=320m', 'tmpfs', str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        pytest.skip(f'there is no mount command: {error}')
    if mounted.returncode:
        pytest.skip(f'a small file system cannot be mounted here: {mounted.stderr.strip()}')
    yield place
    subprocess.run(['umount', '-l', str(place)], check=True)


def test_a_full_disk_costs_nothing_that_had_finished(project, uninterrupted, driving, write_grid, small_disk, tmp_path):
    grid = write_grid(tmp_path / 'grid', ('cbam', 'focal_dice_boundary'), name='short')  # writes where 'short' did
    grid = grid._replace(work_dir=uninterrupted.moved(small_disk / 'work').work_dir)
    stored, reported = grid.manifests(), grid.table()
    driver = project.start(grid)
    driving.wait_until(lambda: list((grid.store / 'running').glob('*/log.txt')), poll_s=0.002)
    with open(small_disk / 'ballast', 'wb', buffering=0) as ballast, pytest.raises(OSError):
        while True:
            ballast.write(bytes(2**20))
    done = driving.finish(driver)
    assert done.status == 1, done.said
    assert 'failed — OSError: [Errno 28] No space left on device' in done.stdout
    assert done.stderr.strip().endswith('make room, and run the same command again') and 'Traceback' not in done.stderr
    assert stored.items() <= grid.manifests().items() and grid.table() == reported
    os.unlink(small_disk / 'ballast')
    again = project.run(grid, '--retry-failed')  # the failure is stored where its few bytes had room
    assert again.status == 0, again.said
    assert stored.items() <= grid.manifests().items() and grid.table()[-1]['status'] == 'ok'
