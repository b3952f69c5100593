"""Rows that ask a GPU for more memory than it gives them: they are out of memory with need and limit, others are ok."""

import os
import re

import pytest
import torch

# The process may have a hundredth of the GPU, so that what others hold there is in no danger.
HUNGRY = """
import torch
import plugins.views.flip
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS, TRANSFORMS


def take_all():
    torch.cuda.set_per_process_memory_fraction(0.01)
    kept = []
    while True:
        kept.append(torch.empty(2**26, dtype=torch.uint8, device='cuda'))


@MODELS.register_module()
class HungryLoss(CrossEntropyLoss):
    calls = 0

    def forward(self, *args, **kwargs):
        self.calls += 1
        if self.calls > 1:  # the trial of one batch before a run calls it once
            take_all()
        return super().forward(*args, **kwargs)


@TRANSFORMS.register_module()
class HungryView:
    def forward(self, image):
        if torch.cuda.is_available():  # a trial may see none
            take_all()
        return image

    def inverse(self, maps, size):
        return maps
"""
VIEWS = "dict(flip=dict(type='FlipView', direction='horizontal'), hungry=dict(type='HungryView'))"
OVERLAYS = dict(
    hungry_training="dict(model=dict(decode_head=dict(loss_decode=dict(type='HungryLoss'))))",
    hungry_views=f'dict(inference=dict(views={VIEWS}))',
)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_want_of_gpu_memory_costs_the_rows_that_want_it(driving, project, write_grid, tmp_path):
    copy = driving.Checkout(project.root).copy(tmp_path / 'copy')
    copy.environment.pop('CUDA_VISIBLE_DEVICES')
    copy.environment |= {name: os.environ[name] for name in ('CUDA_VISIBLE_DEVICES',) if name in os.environ}
    for name, overlay in OVERLAYS.items():
        copy.technique(name, overlay, 'plugins.losses.hungry', HUNGRY)
    grid = write_grid(tmp_path / 'grid', [*OVERLAYS, 'cbam'], design='each_alone')
    done = copy.run(grid, '--device', 'cuda', '--jobs', '1')
    assert done.status == 1, done.said
    records = {record['stack']: record for record in grid.records().values()}
    assert {stack: (record['status'], record['failed_stage']) for stack, record in records.items()} == dict(
        baseline=('ok', None),
        cbam=('ok', None),
        hungry_training=('out_of_memory', 'train'),
        hungry_views=('out_of_memory', 'predict'),
    )
    for stack in OVERLAYS:
        said = r'OutOfMemoryError: CUDA out of memory\. Tried to allocate 64\.00 MiB\. GPU 0 has a total capacity of '
        assert re.match(said, records[stack]['reason']), records[stack]['reason']
