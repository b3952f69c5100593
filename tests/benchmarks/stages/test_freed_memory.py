"""Freed memory stays in the process: writing as much again takes no page fault."""
import subprocess
import sys

import pytest

ONE_AFTER_THE_OTHER = '''
import resource, sys
import numpy as np
from benchmarks.stages.freed_memory import keep_freed_memory
if sys.argv[1] == 'keep':
    if not keep_freed_memory():
        print('not offered')
        raise SystemExit
np.ones(2 ** 25)  # 256 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2 ** 25)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
'''


def page_faults(how):
    said = subprocess.run([sys.executable, '-c', ONE_AFTER_THE_OTHER, how], capture_output=True, text=True,
                          check=True).stdout.strip()
    if said == 'not offered':
        pytest.skip('this C library has no such settings')
    return int(said)


def test_the_second_array_lies_where_the_first_was():
    assert page_faults('keep') < 100 < page_faults('leave')  # with pages of 2 MiB, 128
