"""Trainings get large pages for their arrays; a measurement gets the pages that users have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.run.launcher import LocalLauncher
from benchmarks.stages.huge_pages import ENVIRONMENT, environment_of_a_start, ordinary_pages

SWITCH = Path('/sys/kernel/mm/transparent_hugepage/enabled')


def offered():
    return SWITCH.exists() and '[never]' not in SWITCH.read_text()


def mib_in_huge_pages():
    """Of an array of 64 MiB that torch allocates."""
    import torch

    before = _huge_mib()
    array = torch.ones(2**24)
    return _huge_mib() - before + 0 * array[0].item()


def _huge_mib():
    rows = Path('/proc/self/smaps_rollup').read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith('AnonHugePages')) / 1024


def mib_in_huge_pages_of_a_measurement():
    assert ordinary_pages()
    return mib_in_huge_pages()


@pytest.mark.skipif(not offered(), reason='this kernel gives no large pages')
@pytest.mark.slow
def test_a_process_of_the_launcher_has_large_pages_unless_it_measures(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    code = 'import sys; sys.path.insert(0, "."); from tests.benchmarks.stages.test_huge_pages import report; report()'
    said = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.split()
    with_pages, without_pages = map(float, said)
    assert with_pages >= 60
    assert without_pages <= 0  # other arrays may have been freed meanwhile


def report():
    launcher = LocalLauncher()
    print(launcher.call(mib_in_huge_pages), launcher.call(mib_in_huge_pages_of_a_measurement))


def test_what_the_user_has_decided_stays_and_comes_back(monkeypatch):
    monkeypatch.setenv('THP_MEM_ALLOC_ENABLE', '0')
    monkeypatch.delenv('GLIBC_TUNABLES', raising=False)
    monkeypatch.setenv('MORE', 'before')
    with environment_of_a_start(dict(MORE='now')):
        assert os.environ['THP_MEM_ALLOC_ENABLE'] == '0' and os.environ['MORE'] == 'now'
        assert os.environ['GLIBC_TUNABLES'] == 'glibc.malloc.hugetlb=1'
    assert os.environ['MORE'] == 'before' and 'GLIBC_TUNABLES' not in os.environ
