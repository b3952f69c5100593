"""A project beside the checkout: its grid, its technique and its data, whose folder has a name with spaces."""

import os
import re
import shutil

import pytest

MODULE = """
from mmseg.registry import MODELS
from torch import nn
import halving

@MODELS.register_module()
class HalvedLoss(nn.Module):
    loss_name = 'loss_halved'

    def forward(self, logits, target, weight=None, ignore_index=255, **unused):
        return halving.FACTOR * nn.functional.cross_entropy(logits, target, ignore_index=ignore_index)
"""
TECHNIQUE = """
title, description, imports = 'halved', 'Half the loss.', ['halved_loss']
overlay = dict(model=dict(decode_head=dict(loss_decode=dict(_delete_=True, type='HalvedLoss'))))
"""


@pytest.fixture(scope='module')
def mine(project, write_grid, pictures, tmp_path_factory):
    """The grid after its run: what the run said, the grid, the flags."""
    folder = tmp_path_factory.mktemp('my project')
    data = folder / "my data, Bob's (1)"
    shutil.copytree(pictures, data)
    grid = write_grid(folder, ['halved'])
    shutil.rmtree(folder / 'mmseg')  # laid as a trap for runs; mmseg's own tools get this folder in PYTHONPATH
    (folder / 'techniques').mkdir()
    (folder / 'techniques' / 'halved.py').write_text(TECHNIQUE)
    (folder / 'halved_loss.py').write_text(MODULE)
    (folder / 'halving.py').write_text('FACTOR = 0.5\n')
    loaders = [f'{name}_dataloader.dataset.data_root="{data}"' for name in ('train', 'test')]
    flags = ('--data-root', str(folder / 'nowhere'), '--cfg-options', *loaders, 'train_cfg.max_iters=2')
    return project.run(grid, *flags), grid, flags


def test_it_runs_as_what_ships(mine):
    done, grid, _ = mine
    assert done.status == 0, done.said
    assert [row['stack'] for row in grid.table()] == ['baseline', 'halved']
    assert all(record['status'] == 'ok' for record in grid.records().values())


def test_the_code_of_its_module_enters_the_key_of_its_training_alone(mine, project):
    _, grid, flags = mine
    module = grid.path.parent / 'halved_loss.py'
    text = module.read_text()
    assert re.search(r'train +2 found', project.run(grid, '--dry-run', *flags).stdout)
    try:
        module.write_text(text.replace('return', 'return 1.0 *'))
        said = project.run(grid, '--dry-run', *flags).stdout
    finally:
        module.write_text(text)
    assert re.search(r'train +1 found: baseline__seed0', said) and 'code halved_loss' in said


def test_its_dumped_config_runs_in_mmsegs_own_tool_with_the_path_of_both(mine, project, driving, tmp_path):
    _, grid, _ = mine
    cell = 'halved__seed0'
    other = driving.Checkout(project.root, project.warm)
    other.environment |= dict(PYTHONPATH=os.pathsep.join([str(project.root), str(grid.path.parent)]))
    config = grid.out / 'configs' / f'{cell}.py'
    checkpoint = grid.store / 'train' / grid.records()[cell]['keys']['train'] / 'checkpoint.pth'
    done = driving.finish(other.mmseg_tool('test.py', config, checkpoint, '--work-dir', tmp_path))
    assert done.status == 0, done.said
    miou = float(re.findall(r'mIoU: +([\d.]+)', done.stdout)[-1])
    assert miou == pytest.approx(float(grid.table()[1]['miou']), abs=0.01)


def test_check_knows_it(mine, project):
    _, grid, _ = mine
    done = project.run(grid, '--check', 'halved')
    assert done.status == 0, done.said
    assert 'halved: good' in done.stdout
