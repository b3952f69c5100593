"""Freed memory stays in the process: writing as much again takes no page fault."""

import subprocess
import sys

import pytest

ONE_AFTER_THE_OTHER = """
import resource, sys
import numpy as np
from benchmarks.stages.freed_memory import keep_freed_memory
if sys.argv[1] == 'keep':
    if not keep_freed_memory():
        print('not offered')
        raise SystemExit
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2 ** 21) for _ in range(16)]  # 16 MiB each
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how):
    said = subprocess.run(
        [sys.executable, '-c', ONE_AFTER_THE_OTHER, how], capture_output=True, text=True, check=True
    ).stdout.strip()
    if said == 'not offered':
        pytest.skip('this C library has no such settings')
    return int(said)


def test_arrays_lie_where_those_before_were():
    assert page_faults('keep') < 100 < page_faults('leave')  # with pages of 2 MiB, 128
