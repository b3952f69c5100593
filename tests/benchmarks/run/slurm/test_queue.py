"""What Slurm is asked, by files that are compared letter by letter, and what it answers."""

import os
import stat
import sys
from pathlib import Path

import pytest

from benchmarks.errors import BadInput
from benchmarks.files import ROOT
from benchmarks.plan.plan import Plan
from benchmarks.run.slurm import queue as queue_module
from benchmarks.run.slurm.job import Job
from benchmarks.run.slurm.queue import GONE, Queue, import_submitit
from benchmarks.run.slurm.settings import SlurmSettings, read_settings

GOLDEN = Path(__file__).with_name('sbatch')
JOB = Job(Plan([], {}, {}, []), 'store', '', 'cpu', 1, 60.0)
WORDS = ['partition=gpu', 'account=lab', 'qos=low', 'constraint=a100', 'reservation=maintenance', 'exclude=n1']
WORDS += ['gpus=1', 'cpus=4', 'mem=16GiB', 'time=2h', 'setup=module load cuda']


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Programs that stand for those of Slurm: ``commands(name, script)`` writes one."""
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    folder = tmp_path / 'bin'
    folder.mkdir()
    monkeypatch.setenv('PATH', f'{folder}{os.pathsep}{os.environ["PATH"]}')

    def write(name, script):
        (folder / name).write_text(f'#!/bin/sh\n{script}\n')
        (folder / name).chmod(stat.S_IRWXU)

    write('srun', 'exit 1')
    write('sbatch', f'cp "$1" {tmp_path}/sbatch.sh; echo Submitted batch job 4711')
    return write


def submitted(tmp_path, words, *, alone, number):
    """The file that sbatch got, without what differs from machine to machine; and the jobs' numbers."""
    settings, _ = read_settings(words, None)
    queue = Queue(tmp_path / 'logs', settings, 8)
    numbers = queue.submit([JOB] * number, alone=alone)
    text = (tmp_path / 'sbatch.sh').read_text().replace(str(tmp_path), 'WORK').replace(str(ROOT), 'CHECKOUT')
    return text.replace(sys.executable, 'PYTHON'), numbers


@pytest.mark.parametrize(
    'name, words, alone, number',
    [('one', [], False, 1), ('array', WORDS, False, 20), ('measurements', WORDS[:5], True, 3)],
)
def test_what_sbatch_gets(commands, tmp_path, name, words, alone, number):
    text, numbers = submitted(tmp_path, words, alone=alone, number=number)
    assert text == (GOLDEN / f'{name}.sh').read_text()
    assert numbers == (['4711'] if number == 1 else [f'4711_{index}' for index in range(number)])


def test_what_slurm_refuses_is_told(commands, tmp_path):
    commands('sbatch', 'echo "sbatch: error: invalid partition specified: gpu" >&2; exit 1')
    with pytest.raises(BadInput, match='Slurm refuses the jobs: .*invalid partition specified: gpu'):
        submitted(tmp_path, WORDS, alone=False, number=2)


SACCT = """cat <<'END'
JobID|State|NodeList
7|PREEMPTED|n1
7.batch|CANCELLED|n1
8_0|RUNNING|n1
8_[1-2%2]|PENDING|None assigned
9|CANCELLED by 1000|n2
10|OUT_OF_ME+|n2
END"""


def states(tmp_path, numbers):
    return Queue(tmp_path / 'logs', SlurmSettings(), 8).states(numbers)


def test_the_states_of_jobs_are_those_of_sacct(commands, tmp_path):
    commands('sacct', SACCT)
    numbers = ['7', '8_0', '8_1', '8_2', '9']
    found = states(tmp_path, numbers)
    assert found == dict(zip(numbers, ['PREEMPTED', 'RUNNING', 'PENDING', 'PENDING', 'CANCELLED']))
    assert states(tmp_path, []) == {}


def test_without_accounts_a_job_that_squeue_does_not_list_is_gone(commands, tmp_path):
    commands('sacct', 'echo "Slurm accounting storage is disabled" >&2; exit 1')
    commands('squeue', 'echo "8_0 RUNNING"; echo "8_1 PENDING"')
    assert states(tmp_path, ['7', '8_0', '8_1']) == {'7': GONE, '8_0': 'RUNNING', '8_1': 'PENDING'}


def test_while_slurm_does_not_answer_no_job_is_taken_for_gone(commands, tmp_path):
    commands('sacct', 'exit 1')
    commands('squeue', 'exit 1')
    assert states(tmp_path, ['7']) == {'7': 'UNKNOWN'} and 'UNKNOWN' in queue_module.LIVE


def test_a_machine_without_slurm_is_told_so(tmp_path, monkeypatch):
    pytest.importorskip('submitit', reason="submitit is not installed: pip install 'segmentation-ablation[slurm]'")
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(BadInput, match='Could not detect "srun".* or try it here with --slurm cluster=local'):
        Queue(tmp_path / 'logs', SlurmSettings(), 8)


def test_a_missing_submitit_is_told_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(
        BadInput, match=r"--launcher slurm needs submitit .*pip install 'segmentation-ablation\[slurm\]'"
    ):
        import_submitit()


@pytest.mark.parametrize(
    'words, device, expected, gpus',
    [
        ([], None, 'cpu', None),
        (['gpus=2'], None, 'cuda', 2),
        (['gres=gpu:a100:1'], None, 'cuda', None),
        ([], 'cuda', 'cuda', 1),
        (['gpus=1'], 'cpu', 'cpu', 1),
    ],
)
def test_the_device_follows_from_what_jobs_ask_for(words, device, expected, gpus):
    settings, chosen = read_settings(words, device)
    assert (chosen, settings.gpus) == (expected, gpus)


GRIDS = dict(partition='gpu', account='lab', gpus=2, time=7200.0, mem=10**9)


@pytest.mark.parametrize(
    'words, device, chosen, changed',
    [
        ([], None, 'cuda', {}),
        (['partition=short', 'time=1h', 'cpus=8'], None, 'cuda', dict(partition='short', time=3600.0, cpus=8)),
        (['gpus=1'], None, 'cuda', dict(gpus=1)),
        (['gres=gpu:a100:1'], None, 'cuda', dict(gpus=None, gres='gpu:a100:1')),
        (['gres=nvme:1'], None, 'cuda', dict(gres='nvme:1')),
        ([], 'cpu', 'cpu', dict(gpus=None)),
    ],
)
def test_flags_win_over_the_grid(words, device, chosen, changed):
    assert read_settings(words, device, GRIDS) == (SlurmSettings(**GRIDS | changed), chosen)


def test_a_flag_of_gpus_replaces_those_that_the_grid_asks_for_in_another_way():
    settings, _ = read_settings(['gpus=1'], None, dict(gres='gpu:a100:1'))
    assert (settings.gpus, settings.gres) == (1, None)


def test_a_measurement_of_one_kind_of_node_does_not_stand_for_another():
    assert read_settings(['partition=gpu', 'constraint=a100', 'time=2h'], None)[0].nodes == (
        'slurm partition=gpu constraint=a100'
    )
    assert read_settings([], None)[0].nodes == 'slurm'
    assert read_settings(['cluster=local'], None)[0].nodes is None
