"""Hooks that only count: clipped steps and prefetched batches; plain mmsegmentation."""

import pytest
import torch

from plugins.hooks.clipped_steps import ClippedStepsHook
from plugins.hooks.cut_mix import CutMixHook
from plugins.hooks.prefetched_batches import PrefetchedBatchesHook
from plugins.hooks.replaced_methods import ReplacedMethods

COUNTS = dict(type='ClippedStepsHook')
PREFETCHED = dict(type='PrefetchedBatchesHook')


def clipping(limit, **settings):
    return dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01), clip_grad=dict(max_norm=limit), **settings)


def hook_of(runner, kind):
    return next(hook for hook in runner.hooks if isinstance(hook, kind))


def norms_of(runner):
    return runner.message_hub.get_scalar('train/grad_norm').data[0].tolist()


def test_steps_above_the_norm_are_counted(plain_run):
    runner = plain_run([COUNTS], optim_wrapper=clipping(1e9), steps=6)
    runner.train()
    assert hook_of(runner, ClippedStepsHook).acted == 0  # nothing was clipped
    limit = sorted(norms_of(runner))[2] * 1.0001
    # the first step's gradient is the same; later ones depend on what was clipped
    runner = plain_run([COUNTS], optim_wrapper=clipping(limit), steps=6)
    runner.train()
    above = sum(norm > limit for norm in norms_of(runner))
    assert hook_of(runner, ClippedStepsHook).acted == above and 0 < above < 6
    assert runner.optim_wrapper.clip_func is torch.nn.utils.clip_grad_norm_


def test_gradients_are_as_long_as_the_limit(plain_run):
    runner = plain_run([COUNTS], optim_wrapper=dict(clipping(0.01), optimizer=dict(type='SGD', lr=1.0)), steps=1)
    start = {}
    hook_of(runner, ClippedStepsHook).before_train_iter = lambda *_, **__: start.update(
        {name: value.detach().clone() for name, value in runner.model.named_parameters()}
    )
    after = dict(runner.train().named_parameters())
    moved = sum(float((after[name].detach() - value).square().sum()) for name, value in start.items()) ** 0.5
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_only_steps_count_when_gradients_accumulate(plain_run):
    runner = plain_run([COUNTS], optim_wrapper=clipping(1e-6, accumulative_counts=2), steps=6)
    runner.train()
    assert hook_of(runner, ClippedStepsHook).acted == 3


def test_a_gradient_that_overflowed_does_not_count(plain_run):
    runner = plain_run([COUNTS], optim_wrapper=clipping(1.0), steps=1)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    hook = hook_of(runner, ClippedStepsHook)
    assert hook.acted is None
    hook.before_train(runner)
    weight = torch.nn.Parameter(torch.zeros(2))
    for grad, count in (([3.0, 4.0], 1), ([float('inf'), 0.0], 1), ([float('nan'), 0.0], 1), ([0.6, 0.7], 1)):
        weight.grad = torch.tensor(grad)
        runner.optim_wrapper.clip_func([weight], max_norm=1.0)
        assert hook.acted == count


@pytest.mark.parametrize('clip', [None, dict(type='value', clip_value=0.1)])
def test_there_must_be_a_norm_to_count(plain_run, clip):
    optim = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01), clip_grad=clip)
    with pytest.raises(ValueError, match='does not set'):
        plain_run([COUNTS], optim_wrapper=optim).train()


def test_batches_of_loader_processes_are_counted(plain_run):
    runner = plain_run([PREFETCHED], loader=dict(num_workers=1, persistent_workers=True), steps=3)
    runner.train()
    assert hook_of(runner, PrefetchedBatchesHook).acted == 3


def test_what_another_hook_puts_into_a_batch_does_not_hide_that_it_was_prefetched(plain_run):
    runner = plain_run(
        [dict(type='CutMixHook', prob=1.0), PREFETCHED], steps=3, loader=dict(num_workers=1, persistent_workers=True)
    )
    runner.train()
    assert hook_of(runner, CutMixHook).acted == 6 and hook_of(runner, PrefetchedBatchesHook).acted == 3


def test_batches_of_the_training_process_are_not(plain_run):
    runner = plain_run([PREFETCHED], steps=3)
    runner.train()
    assert hook_of(runner, PrefetchedBatchesHook).acted == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_pinned_batches_are_counted(plain_run):
    runner = plain_run([PREFETCHED], loader=dict(pin_memory=True), steps=3)
    runner.train()
    assert hook_of(runner, PrefetchedBatchesHook).acted == 3


def test_replaced_methods_come_back_in_reverse_order():
    class Greeter:
        def greet(self):
            return 'hello'

    one, other = Greeter(), Greeter()
    methods = ReplacedMethods()
    methods.replace(one, 'greet', lambda: 'first')
    methods.replace(one, 'greet', lambda: 'second')
    assert (one.greet(), other.greet(), len(methods)) == ('second', 'hello', 2)
    methods.restore()
    assert one.greet() == 'hello' and vars(one) == {} and len(methods) == 0
