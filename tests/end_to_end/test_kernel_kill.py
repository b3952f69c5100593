"""A training that takes more memory than its container has: the kernel ends its process alone, and the run tells so."""

import re

import pytest
from memory_cgroup import NoCgroup, memory_cgroup

LIMIT_MIB = 3072  # driver, server, trials and a stage of this data set take less than a third of it
SWELLING = """
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS


@MODELS.register_module()
class Swelling(CrossEntropyLoss):
    calls = 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        kept = []
        while self.calls > 1:  # the trial of one batch before a run calls it once
            kept.append(bytearray(2**22))
        return super().forward(*args, **kwargs)
"""


@pytest.fixture
def little_memory():
    try:
        with memory_cgroup(LIMIT_MIB) as cgroup:
            yield cgroup
    except NoCgroup as error:
        pytest.skip(f'no cgroup with little memory can be made here: {error}')


def test_the_kernel_ends_a_stage_and_no_other(driving, project, write_grid, tmp_path, little_memory):
    copy = project.copy(tmp_path / 'copy')
    overlay = "dict(model=dict(decode_head=dict(loss_decode=dict(type='Swelling'))))"
    copy.technique('swelling', overlay, 'plugins.losses.swelling', SWELLING)
    grid = write_grid(tmp_path / 'grid', ['swelling'], design='each_alone')
    done = driving.finish(copy.start(grid, '--jobs', '1', within=little_memory.within))
    assert done.status == 1, done.said
    records = {record['stack']: record for record in grid.records().values()}
    outcomes = {stack: (record['status'], record['failed_stage']) for stack, record in records.items()}
    assert outcomes == dict(baseline=('ok', None), swelling=('out_of_memory', 'train'))
    reason = records['swelling']['reason']
    told = re.fullmatch(rf'it was ended for want of memory: it had (\d+) MiB, and may use {LIMIT_MIB} MiB', reason)
    assert told and LIMIT_MIB / 2 < int(told[1]) <= LIMIT_MIB, reason
    rows = {row['stack']: row['status'] for row in grid.table()}
    assert rows == dict(baseline='ok', swelling='failed: out_of_memory (1 of 1)')
