"""Trainings in two processes on the CPU: the numbers of one process, and no process that is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from benchmarks.check.toy_data import dataset, draw_pictures
from benchmarks.stacks.compose import load_config, strip_helpers
from benchmarks.stacks.imports import import_modules
from benchmarks.stacks.processes import trained_by
from benchmarks.stacks.protocol import apply_protocol, pair_training_data, with_seed
from benchmarks.stages import several_processes, train
from benchmarks.stages.descendants import descendants
from benchmarks.stages.outcome import Classified, classify
from benchmarks.stages.parents import CHECKPOINT
from benchmarks.stages.several_processes import in_processes

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
# What a user's torchrun runs: mmengine's runner on a dumped config. mmengine's launcher takes GPUs for granted, so on
# the CPU the processes meet before it asks.
UNDER_TORCHRUN = """
import sys, torch
from mmengine.config import Config
from mmengine.runner import Runner

torch.set_num_threads(1)
torch.distributed.init_process_group('gloo')
cfg = Config.fromfile(sys.argv[1])
cfg.launcher, cfg.work_dir = 'pytorch', sys.argv[2]
cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None)
cfg.train_dataloader.batch_size //= 2
Runner.from_cfg(cfg).train()
"""


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of OpenMP do not survive a fork; a stage's process has none before its training."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """A tiny net without batch norm and dropout, four steps of four images."""
    pictures = tmp_path_factory.mktemp('toy') / 'pictures'
    draw_pictures(pictures, size_px=32)
    raw = strip_helpers(load_config(ROOT / 'configs' / 'baselines' / 'unet_small_icbm152.py'))
    protocol = load_config(ROOT / 'configs' / '_base_' / 'protocol.py')
    made = apply_protocol(raw, protocol, 'cpu')[0]
    norm = dict(type='GN', num_groups=4)
    made['model']['data_preprocessor']['size'] = (32, 32)
    made['model']['backbone'].update(norm_cfg=norm)
    made['model']['decode_head'].update(norm_cfg=norm, dropout_ratio=0.0)
    made['visualizer'] = dict(type='Visualizer', vis_backends=[])
    made['train_cfg'] = dict(type='IterBasedTrainLoop', max_iters=4)
    steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='RandomFlip', prob=0.5)]
    made['train_dataloader'] = dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dataset(pictures, 'train', [*steps, dict(type='PackSegInputs')]),
    )
    made = with_seed(pair_training_data(made, protocol), 3)
    import_modules({}, made)
    return made


def trained(config, folder):
    folder.mkdir()
    facts = train.run(config, folder, {}, 'cpu')
    return facts, torch.load(folder / CHECKPOINT, weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def started():
    """The processes that run now and did not before the tests of this module; other modules' servers go on."""
    before = set(descendants(os.getpid()))
    return lambda: set(descendants(os.getpid())) - before


@pytest.fixture(scope='module')
def together(config, started, tmp_path_factory):
    torch.set_num_threads(1)
    return trained(trained_by(config, 2, 'cpu'), tmp_path_factory.mktemp('two') / 'stage')


def test_two_processes_train_to_the_weights_of_one(config, together, started, tmp_path):
    (facts, weights), (facts_alone, alone) = together, trained(config, tmp_path / 'stage')
    assert weights.keys() == alone.keys()
    for name in alone:
        torch.testing.assert_close(weights[name], alone[name], rtol=1e-4, atol=1e-6)
    assert facts['loss_by_tenth'] == pytest.approx(facts_alone['loss_by_tenth'], rel=1e-4)
    assert facts['grad_norm']['median'] == pytest.approx(facts_alone['grad_norm']['median'], rel=1e-3)
    assert facts['iterations'] == facts_alone['iterations'] == 4
    assert started() == set()


def test_the_dumped_config_trains_to_the_same_weights_under_torchrun(config, together, tmp_path):
    dumped, script = tmp_path / 'cell.py', tmp_path / 'train.py'
    Config(trained_by(config, 2, 'cpu')).dump(dumped)
    script.write_text(UNDER_TORCHRUN)
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']
    environment = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    done = subprocess.run(
        [*launcher, str(script), str(dumped), str(tmp_path / 'run')], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    last = Path((tmp_path / 'run' / 'last_checkpoint').read_text().strip())
    plain = torch.load(last, map_location='cpu', weights_only=False)['state_dict']
    assert [name for name in plain if not torch.equal(plain[name], together[1][name])] == []


@HOOKS.register_module()
class HarmsTheSecondProcess(Hook):
    """Ends, fails or stops the second of two processes after its first step."""

    def __init__(self, harm):
        self.harm = harm

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if os.environ.get('RANK') != '1':
            return
        if self.harm == 'killed':
            os.kill(os.getpid(), signal.SIGKILL)
        if self.harm == 'stands still':
            time.sleep(600)
        if self.harm == 'exits':
            sys.exit(3)
        raise ValueError('as it should')


@pytest.mark.parametrize(
    ('harm', 'reason'),
    [
        ('killed', 'process 2 of 2 that train together: it was ended by signal 9'),
        ('raises', 'process 2 of 2 that train together: ValueError: as it should'),
        ('exits', 'process 2 of 2 that train together: EndsTheProgram: it calls sys.exit(3)'),
        ('stands still', 'process 1 of 2 that train together: '),
    ],
)
def test_a_process_that_dies_or_stands_still_fails_the_training(config, tmp_path, monkeypatch, started, harm, reason):
    monkeypatch.setattr(several_processes, 'STANDS_STILL_S', 8.0 if harm == 'stands still' else 60.0)
    harmed = dict(config, custom_hooks=[*config['custom_hooks'], dict(type='HarmsTheSecondProcess', harm=harm)])
    start = time.monotonic()
    with pytest.raises(Classified) as failure:
        trained(trained_by(harmed, 2, 'cpu'), tmp_path / 'stage')
    status, text = classify(failure.value)
    assert (status, text[: len(reason)]) == ('failed', reason)
    assert time.monotonic() - start < several_processes.STANDS_STILL_S + 300 and started() == set()


def test_a_loss_that_is_not_finite_in_one_process_is_a_divergence(config, tmp_path):
    """The mean over the processes is not finite in either of them."""
    diverged = dict(config, optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e30)))
    with pytest.raises(Classified) as failure:
        trained(trained_by(diverged, 2, 'cpu'), tmp_path / 'stage')
    assert classify(failure.value)[0] == 'diverged' and 'the loss became' in str(failure.value)


def test_the_result_is_that_of_the_first_process():
    assert in_processes(lambda: os.environ['RANK'], 2, 'cpu') == '0'
    assert 'RANK' not in os.environ
