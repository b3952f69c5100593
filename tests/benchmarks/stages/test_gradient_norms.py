"""Norms of gradients: right under clipping, accumulation and loss scales; the training is the same to the bit."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from benchmarks.stages.gradient_norms import GradientNorms
from plugins.optim.mixed_precision import MixedPrecisionOptimWrapper

STEPS = 25


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 1))


def trained(hook, wrap=OptimWrapper, **settings):
    """Train; the weights, and the norm of each step's gradient as the backward passes left it."""
    model, by_hand = model_of(), []
    wrapper = wrap(torch.optim.Adam(model.parameters(), lr=0.01), **settings)
    runner = SimpleNamespace(model=model, cfg={}, optim_wrapper=wrapper)
    hook and hook.before_train(runner)
    for step in range(STEPS):
        with wrapper.optim_context(model):
            loss = model(torch.randn(5, 4, generator=torch.Generator().manual_seed(step))).square().mean()
        loss = wrapper.scale_loss(loss)
        wrapper.backward(loss)
        if wrapper.should_update():
            scale = wrapper.loss_scaler.get_scale() if hasattr(wrapper, 'loss_scaler') else 1.0
            by_hand.append(float(torch.cat([part.grad.flatten() for part in model.parameters()]).norm()) / scale)
            wrapper.step()
            wrapper.zero_grad()
        hook and hook.after_train_iter(runner, step)
    hook and hook.after_train(runner)
    return torch.cat([value.flatten() for value in model.state_dict().values()]), by_hand


@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(accumulative_counts=3),
        dict(clip_grad=dict(max_norm=0.01)),
        dict(wrap=MixedPrecisionOptimWrapper, dtype='bfloat16'),
    ],
)
def test_the_norms_are_those_before_clipping_and_the_weights_equal_to_the_bit(settings):
    hook = GradientNorms()
    weights, by_hand = trained(hook, **settings)
    assert hook._norms == pytest.approx(by_hand, rel=1e-4)
    fact = hook.fact
    assert fact['updates'] == len(by_hand) and fact['largest'] == pytest.approx(max(by_hand), rel=1e-4)
    tenth = 3 if len(by_hand) == STEPS else 1
    assert fact['first'] == pytest.approx(sorted(by_hand[:tenth])[tenth // 2], rel=1e-4)
    assert fact['last'] == pytest.approx(sorted(by_hand[-tenth:])[tenth // 2], rel=1e-4)
    without, _ = trained(None, **settings)
    assert torch.equal(weights, without)


def test_the_loss_scale_is_taken_out_where_the_optimiser_divides_by_it():
    hook = GradientNorms()
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.0, fused=True)
    hook.before_train(SimpleNamespace(cfg={}, optim_wrapper=OptimWrapper(optimizer)))
    optimizer.param_groups[0]['params'][0].grad = torch.tensor([3.0, 4.0]) * 8
    optimizer.grad_scale, optimizer.found_inf = torch.tensor(8.0), torch.tensor(0.0)
    optimizer.step()
    hook.after_train(None)
    assert hook._norms == [5.0]


def test_a_gradient_that_overflowed_is_no_update():
    hook = GradientNorms()
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.0)
    hook.before_train(SimpleNamespace(cfg={}, optim_wrapper=OptimWrapper(optimizer)))
    for value in (2.0, float('inf'), float('nan'), 1.0):
        optimizer.param_groups[0]['params'][0].grad = torch.tensor([value])
        optimizer.step()
    hook.after_train(None)
    assert hook.fact == dict(updates=2, median=1.5, largest=2.0, first=2.0, last=1.0)


def test_several_optimisers_and_a_compiled_step_are_not_measured():
    wrapper = OptimWrapper(torch.optim.SGD(model_of().parameters(), lr=0.1))
    for cfg, wrapped in ((dict(compile=True), wrapper), ({}, OptimWrapperDict(a=wrapper))):
        hook = GradientNorms()
        hook.before_train(SimpleNamespace(cfg=cfg, optim_wrapper=wrapped))
        wrapper.step()
        hook.after_train(None)
        assert hook.fact is None
