"""A part of a config that changes the state of its process, and leaves it so, fails its stage; others may change it."""

import contextlib
import os
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS, TRANSFORMS

import plugins.hooks.paired_arms  # noqa: F401 (registers the hook)
from benchmarks.stages.kept_state import state_kept
from benchmarks.stages.process_state import ChangedState, state_restored
from benchmarks.stages.several_processes import in_processes
from benchmarks.stages.worker import Task, run_task
from benchmarks.store.store import Store

pytestmark = pytest.mark.slow
cudnn = torch.backends.cudnn
# What a part does: how the failure names it.
CHANGES = {
    'default dtype': (
        lambda: torch.set_default_dtype(torch.float64),
        "torch's default dtype from torch.float32 to torch.float64",
    ),
    'default device': (lambda: torch.set_default_device('meta'), "torch's default device from cpu to meta"),
    'folder': (lambda: os.chdir('/'), 'the current folder from HERE to /'),
    'gradients': (lambda: torch.set_grad_enabled(False), 'whether torch records gradients from True to False'),
    'seed': (lambda: torch.manual_seed(7), "the seed of torch's generator from SEED to 7"),
    'products': (
        lambda: torch.set_float32_matmul_precision('medium'),
        'the precision of float32 products from highest to medium',
    ),
    'products anew': (
        lambda: setattr(torch.backends.cuda.matmul, 'fp32_precision', 'tf32'),
        'the precision of float32 products from highest to a value of fp32_precision',
    ),
    'TF32': (lambda: setattr(cudnn, 'allow_tf32', False), 'TF32 in cuDNN from True to False'),
    'no cuDNN': (lambda: setattr(cudnn, 'enabled', False), 'whether cuDNN is used from True to False'),
    'tries': (lambda: setattr(cudnn, 'benchmark', True), 'whether cuDNN tries kernels out from False to True'),
    'deterministic cuDNN': (
        lambda: setattr(cudnn, 'deterministic', True),
        'whether cuDNN is deterministic from False to True',
    ),
    'deterministic': (
        lambda: torch.use_deterministic_algorithms(True),
        'whether torch is deterministic from False to True',
    ),
}
NEVER = ('default dtype', 'default device', 'folder', 'gradients')
PUT_BACK = 'and left it so: change it inside a with block that puts it back'
OR_EARLIER = ', or before the first step (env_cfg, randomness, before_run of a hook)'


@HOOKS.register_module(force=True)
class Changing(Hook):
    """Changes the state of the process at a point of a stage."""

    def __init__(self, what, when):
        self.change = CHANGES[what][0]
        setattr(self, when, lambda runner, *args, **kwargs: self.change())

    def get_triggered_stages(self):
        """All, because mmengine finds methods of the class alone."""
        return list(Hook.stages)


@TRANSFORMS.register_module(force=True)
class ChangingView:
    """Changes the state of the process when it gets an image."""

    def __init__(self, what):
        self.change = CHANGES[what][0]

    def forward(self, image):
        self.change()
        return image

    def inverse(self, maps, size):
        return maps


@HOOKS.register_module(force=True)
class PutsBack(Hook):
    """Changes all that it must leave as it was, for a moment, and what it may change."""

    def before_run(self, runner):
        torch.set_num_threads(torch.get_num_threads())
        torch.backends.cudnn.conv.fp32_precision = 'ieee'  # with it torch refuses to tell `allow_tf32`

    def before_train(self, runner):
        cudnn.benchmark = True
        torch.manual_seed(5)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        cudnn.enabled = cudnn.benchmark = False
        with contextlib.chdir('/'), torch.random.fork_rng(), torch.no_grad(), torch.device('meta'):
            torch.manual_seed(runner.iter)
        cudnn.enabled = cudnn.benchmark = True
        random.seed(1), np.random.seed(1), torch.rand(3), torch.Generator().manual_seed(1)


@pytest.fixture(autouse=True)
def all_restored(monkeypatch, own_state):
    """What the stages of a test leave, other tests don't see; signals stay pytest's."""
    monkeypatch.setattr('signal.signal', lambda *_: None)
    precision = torch.get_float32_matmul_precision()
    with state_restored():
        yield
        torch.set_default_device(None)
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.conv.fp32_precision = 'none'
        torch.set_float32_matmul_precision(precision)


class Ran:
    """Runs stages as the launcher's processes do, one after the other in this one."""

    def __init__(self, folder):
        self.store = Store(folder)

    def __call__(self, kind, config, key, *parents):
        task = Task(kind, key * 40, 'row__seed0', config, parents, dict(a='1'), str(self.store.root), 'cpu')
        options = dict(bytes_allowed=None) if kind == 'predict' else {}
        run_task(replace(task, options=options))
        return self.store.get(kind, key * 40)


@pytest.fixture
def ran(tmp_path):
    return Ran(tmp_path)


def with_hook(config, **hook):
    return dict(config, custom_hooks=[*config['custom_hooks'], hook])


def expected(what, *, earlier):
    text = f'ChangedState: a part of the config has changed {CHANGES[what][1]}, {PUT_BACK}'
    return text.replace('HERE', os.getcwd()) + (OR_EARLIER if earlier else '')


@pytest.mark.parametrize('what', CHANGES)
def test_what_a_training_leaves_changed_fails_it_with_the_name_both_values_and_the_cure(config, ran, what):
    said = expected(what, earlier=what not in NEVER)
    result = ran('train', with_hook(config, type='Changing', what=what, when='after_train'), 'a')
    assert result.status == 'failed' and result.facts == {}
    assert result.reason == said.replace('SEED', '0')  # the seed of the config


@pytest.mark.parametrize('what', ['default dtype', 'folder', 'seed', 'tries'])
def test_what_a_view_leaves_changed_fails_the_prediction_alone(config, ran, what):
    assert ran('train', config, 'a').ok
    said = expected(what, earlier=what not in NEVER).replace('SEED', '0')
    inference = dict(views=dict(changing=dict(type='ChangingView', what=what)), refine={})
    result = ran('predict', dict(config, inference=inference), 'b', ('train', 'a' * 40))
    assert (result.status, result.reason) == ('failed', said)


def test_what_no_part_may_change_is_told_even_if_an_import_has_done_it(config, ran, tmp_path, monkeypatch):
    (tmp_path / 'changes_at_import.py').write_text("import os\nos.chdir('/')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importing, said = dict(custom_imports=dict(imports=['changes_at_import'])), expected('folder', earlier=False)
    assert ran('train', config | importing, 'a').reason == said


@pytest.mark.parametrize('what', [what for what in CHANGES if what not in NEVER])
def test_what_holds_for_a_whole_training_is_the_configs_own(config, ran, what):
    assert ran('train', with_hook(config, type='Changing', what=what, when='before_run'), 'a').ok


def test_what_mmengine_sets_from_the_config_is_no_fault(config, ran):
    tries = dict(config, env_cfg=dict(cudnn_benchmark=True))
    assert ran('train', tries, 'a').ok and cudnn.benchmark
    deterministic = dict(config, randomness=dict(seed=3, deterministic=True))
    assert ran('train', deterministic, 'b').ok and cudnn.deterministic
    assert torch.are_deterministic_algorithms_enabled()
    assert ran('predict', deterministic, 'c', ('train', 'b' * 40)).ok


def test_what_is_put_back_is_no_fault_and_neither_are_other_generators(config, ran):
    assert ran('train', with_hook(config, type='PutsBack'), 'a').ok


def test_a_folder_that_somebody_renames_or_deletes_meanwhile_is_the_same(tmp_path, monkeypatch):
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    with state_kept():
        (tmp_path / 'here').rename(tmp_path / 'there')
    with state_kept():
        (tmp_path / 'there').rmdir()
    with (
        pytest.raises(ChangedState, match='the current folder from one without a path to /, and left it so'),
        state_kept(),
    ):
        os.chdir('/')


def test_the_protocols_own_seeds_and_threads_are_no_fault(config, ran):
    paired = dict(type='PairedArmsHook', num_threads=torch.get_num_threads())
    assert ran('train', with_hook(config, **paired), 'a').ok
    assert ran('predict', with_hook(config, **paired), 'b', ('train', 'a' * 40)).ok


def test_each_of_several_processes_that_train_together_is_looked_at():
    def second_changes():
        if os.environ['RANK'] == '1':
            torch.set_default_dtype(torch.float64)

    with pytest.raises(Exception, match='process 2 of 2 that train together: ChangedState: .* torch.float64, and left'):
        in_processes(second_changes, 2, 'cpu')


@pytest.fixture
def runner():
    """One that has no hooks, and calls them."""
    one = Runner.__new__(Runner)
    one._hooks = []
    return one


def test_a_validation_that_a_hook_runs_later_sets_nothing_up(runner):
    with state_kept():
        runner.call_hook('before_run')
        runner.call_hook('before_train')
        with torch.random.fork_rng(), cudnn.flags(benchmark=True):
            torch.manual_seed(5)
            runner.call_hook('before_run')  # as Runner.val does
    with pytest.raises(ChangedState, match='whether cuDNN tries kernels out from False to True'), state_kept():
        runner.call_hook('before_train')
        cudnn.benchmark = True
        runner.call_hook('before_run')


def test_a_current_folder_that_cannot_be_looked_at_is_known_by_its_path(monkeypatch, tmp_path):
    stat = os.stat

    def refused(path, *args, **kwargs):
        if path == '.':
            raise PermissionError(13, 'Permission denied', path)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr('benchmarks.stages.process_state.os.stat', refused)
    with state_kept():
        pass
    with pytest.raises(ChangedState, match='the current folder from'), state_kept():
        os.chdir(tmp_path)
