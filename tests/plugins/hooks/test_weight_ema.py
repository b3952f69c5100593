"""The average of weights: what it is, and that it is what is saved and tested, in plain mmsegmentation."""

from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from plugins.hooks.weight_ema import WeightEMAHook

EMA = dict(type='WeightEMAHook')


@HOOKS.register_module(force=True)
class KeepsWeights(Hook):
    """Keeps the model's state after each step, and what it is tested with."""

    def before_train(self, runner):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append({name: value.clone() for name, value in runner.model.state_dict().items()})

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.tested = {name: value.clone() for name, value in runner.model.state_dict().items()}


def hook_of(runner, kind=WeightEMAHook):
    return next(hook for hook in runner.hooks if isinstance(hook, kind))


def average(steps, momentum, warm_up, begin=0):
    """By the formula, in float64."""
    mean = {name: value.double() for name, value in steps[0].items()}
    for t, step in enumerate(steps[1:], 1):
        share = max(momentum, warm_up / (warm_up + t))
        mean = {name: mean[name] + share * (value.double() - mean[name]) for name, value in step.items()}
    return mean


def saved_by(runner, step):
    return torch.load(f'{runner.work_dir}/iter_{step}.pth', weights_only=False)


def is_float(name):
    return not name.endswith('num_batches_tracked')


def close(state, expected):
    compared = [name for name in state if is_float(name)]
    assert compared
    for name in compared:
        torch.testing.assert_close(state[name].double(), expected[name].double(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('settings', [dict(), dict(momentum=0.3, warm_up=2)])
def test_the_checkpoint_holds_the_average_of_weights_and_statistics(plain_run, settings):
    runner = plain_run([dict(EMA, **settings), dict(type='KeepsWeights')], steps=8)
    runner.train()
    steps = hook_of(runner, KeepsWeights).steps
    expected = average(steps, **dict(dict(momentum=0.001, warm_up=9), **settings))
    saved = saved_by(runner, 8)
    close(saved['state_dict'], expected)
    assert 'backbone.encoder.0.0.convs.0.bn.running_mean' in saved['state_dict']
    last = {name.removeprefix('module.'): value for name, value in saved['ema_state_dict'].items()}
    assert all(torch.equal(last[name], value) for name, value in steps[-1].items())
    assert hook_of(runner).acted == 8
    weight = 'backbone.encoder.0.0.convs.0.conv.weight'
    assert not torch.allclose(saved['state_dict'][weight], steps[-1][weight], atol=1e-4)


def test_a_test_after_training_and_one_of_the_checkpoint_use_the_average(plain_run):
    runner = plain_run([EMA, dict(type='KeepsWeights')], steps=6)
    runner.train()
    miou = runner.test()['mIoU']
    averaged = saved_by(runner, 6)['state_dict']
    close(hook_of(runner, KeepsWeights).tested, averaged)
    fresh = plain_run([EMA, dict(type='KeepsWeights')], load_from=f'{runner.work_dir}/iter_6.pth')
    assert fresh.test()['mIoU'] == miou
    tested = hook_of(fresh, KeepsWeights).tested
    assert all(torch.equal(tested[name], averaged[name]) for name in averaged)
    assert hook_of(fresh).ema_model is None and hook_of(fresh).acted is None  # no second copy of the model


def test_training_itself_is_what_it_is_without(plain_run):
    states = []
    for hooks in ([], [EMA]):
        runner = plain_run([*hooks, dict(type='KeepsWeights')], steps=3)
        runner.train()
        states.append(hook_of(runner, KeepsWeights).steps[-1])
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_a_resumed_training_continues_the_average(plain_run):
    first = plain_run([EMA], steps=3)
    first.train()
    second = plain_run([EMA, dict(type='KeepsWeights')], steps=6, resume=True, load_from=f'{first.work_dir}/iter_3.pth')
    second.train()
    assert hook_of(second).acted == 6
    # the average is continued: it still holds a share of the weights of step 3
    steps = hook_of(second, KeepsWeights).steps
    mean = {name: value.double() for name, value in saved_by(first, 3)['state_dict'].items()}
    for t, step in enumerate(steps, 3):
        mean = {name: mean[name] + 9 / (9 + t) * (value.double() - mean[name]) for name, value in step.items()}
    close(saved_by(second, 6)['state_dict'], mean)


def test_an_average_that_equals_the_last_weights_has_not_acted(plain_run):
    runner = plain_run([dict(EMA, begin_iter=3)], steps=3)  # a copy of the last weights
    runner.train()
    assert hook_of(runner).acted == 0


class OnDevice(torch.Tensor):
    """Stands for a tensor on a GPU: it compares with none on the host, and comes there by `cpu`."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.equal:
            raise RuntimeError('Expected all tensors to be on the same device')
        found = super().__torch_function__(function, types, args, kwargs or {})
        return found.as_subclass(torch.Tensor) if function is torch.Tensor.cpu else found


@pytest.mark.parametrize('last, acted', [([1.0, 2.0], 0), ([1.0, 3.0], 4)])
def test_the_average_on_a_gpu_is_compared_and_saved_on_the_host(last, acted):
    hook = WeightEMAHook()
    average = torch.tensor([1.0, 2.0]).as_subclass(OnDevice)
    hook.ema_model = SimpleNamespace(
        steps=torch.tensor(4),
        state_dict=lambda: OrderedDict({'steps': torch.tensor(4).as_subclass(OnDevice), 'module.weight': average}),
    )
    checkpoint = dict(state_dict=OrderedDict(weight=torch.tensor(last)))  # as mmengine hands it over: on the host
    hook.before_save_checkpoint(None, checkpoint)
    assert hook.acted == acted
    assert checkpoint['state_dict']['weight'].tolist() == [1.0, 2.0]
    assert checkpoint['ema_state_dict']['module.weight'].tolist() == last
    saved = [value for name in ('state_dict', 'ema_state_dict') for value in checkpoint[name].values()]
    assert {type(value) for value in saved} == {torch.Tensor}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_a_training_on_a_gpu_saves_what_a_test_loads(plain_run):
    runner = plain_run([EMA, dict(type='KeepsWeights')], steps=4)
    runner.train()
    assert next(runner.model.parameters()).is_cuda and hook_of(runner).acted == 4
    saved = saved_by(runner, 4)
    assert {value.device.type for name in ('state_dict', 'ema_state_dict') for value in saved[name].values()} == {'cpu'}
    close(
        {name: value.cpu() for name, value in saved['state_dict'].items()},
        {name: value.cpu() for name, value in average(hook_of(runner, KeepsWeights).steps, 0.001, 9).items()},
    )
    fresh = plain_run([EMA], load_from=f'{runner.work_dir}/iter_4.pth')
    assert fresh.test()['mIoU'] == runner.test()['mIoU']


def test_momentum_must_be_a_share(plain_run):
    with pytest.raises(ValueError, match='momentum=1.5: give a finite number above 0'):
        plain_run([dict(EMA, momentum=1.5)]).train()


def test_the_name_is_our_own():
    assert HOOKS.get('WeightEMAHook') is WeightEMAHook
