"""Copies of the project: they are whole, and what numba has compiled need not be compiled again in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_copy import copy_project

ROOT = Path(__file__).resolve().parents[2]
# Measures two small label maps, and tells how many compiled functions were loaded, and how many compiled.
MEASURES = """
import numpy as np
from benchmarks.probes import counts
from benchmarks.probes.truth import Truth

labels = np.zeros((2, 2), np.int64)
Truth(labels, 1).facts(labels)
print(counts.__file__)
print(len(counts._count.stats.cache_hits), len(counts._count.stats.cache_misses))
"""


def measured(root):
    environment = {**os.environ, 'PYTHONPATH': str(root)}
    environment.pop('NUMBA_CACHE_DIR', None)
    command = [sys.executable, '-c', MEASURES]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
def test_a_copy_is_whole_and_has_what_is_compiled(tmp_path):
    copy = tmp_path / 'copy'
    first = measured(ROOT)  # from now on the loop is compiled
    if first[0].startswith(str(ROOT)) and not list((ROOT / 'benchmarks' / 'probes' / '__pycache__').glob('*.nbi')):
        pytest.skip('the folder of the checkout is read-only, so numba keeps its code elsewhere')
    copy_project(ROOT, copy)
    for part in ('benchmarks', 'plugins', 'configs'):
        ours, theirs = (
            {path.relative_to(root): path.read_bytes() for path in (root / part).rglob('*.py')} for root in (ROOT, copy)
        )
        assert ours == theirs and len(ours) > 10
    assert (copy / 'run_ablation.py').read_bytes() == (ROOT / 'run_ablation.py').read_bytes()
    assert measured(copy) == [str(copy / 'benchmarks' / 'probes' / 'counts.py'), '1', '0']


def test_unfinished_files_of_others_are_left_behind(tmp_path):
    folder = tmp_path / 'source' / 'benchmarks' / '__pycache__'
    folder.mkdir(parents=True)
    for name in ('a.cpython-311.pyc', 'a.cpython-311.pyc.139', 'a.f-1.py311.nbi', 'a.f-1.py311.nbi.tmp.6f'):
        (folder / name).touch()
    copy_project(tmp_path / 'source', tmp_path / 'copy', ['benchmarks'])
    copied = {path.name for path in (tmp_path / 'copy').rglob('*') if path.is_file()}
    assert copied == {'a.cpython-311.pyc', 'a.f-1.py311.nbi'}
