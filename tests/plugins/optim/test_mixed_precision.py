"""Training in mixed precision, in plain mmsegmentation."""

import pytest
import torch
from mmengine.optim import AmpOptimWrapper
from mmseg.models import UNet
from mmseg.registry import MODELS, OPTIM_WRAPPERS
from torch import nn

from plugins.optim.autocast import Autocast, autocast_dtype
from plugins.optim.mixed_precision import MixedPrecisionOptimWrapper

SGD = dict(type='SGD', lr=0.05, momentum=0.9)
MIXED = dict(type='MixedPrecisionOptimWrapper', optimizer=SGD)


@MODELS.register_module(force=True)
class StubbornUNet(UNet):
    """Switches autocast off inside, as a backbone that is not safe in low precision does."""

    def __call__(self, x):
        with torch.autocast('cpu', enabled=False):
            return super().__call__(x)


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(3, 3)

    def forward(self, x):
        return self.backbone(x)


def wrapper(parameters, **settings):
    return MixedPrecisionOptimWrapper(torch.optim.SGD(parameters, lr=0.1), **settings)


def test_it_trains_in_bfloat16_on_a_cpu_and_counts(plain_run):
    runner = plain_run(optim_wrapper=MIXED, steps=4)
    seen = []
    runner.model.backbone.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[-1].dtype))
    start = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    assert isinstance(runner.optim_wrapper, AmpOptimWrapper)
    assert runner.optim_wrapper.acted == 4 and seen == [torch.bfloat16] * 4
    after = dict(runner.model.named_parameters())
    assert all(value.dtype == torch.float32 and torch.isfinite(value).all() for value in after.values())
    assert not any(torch.equal(start[name], value) for name, value in after.items() if name.endswith('conv.weight'))


def test_its_weights_are_near_those_of_float32_but_not_the_same(plain_run):
    weights = [
        plain_run(**changes).train().backbone.encoder[0][0].convs[0].conv.weight
        for changes in (dict(optim_wrapper=MIXED), {})
    ]
    assert not torch.equal(*weights)
    torch.testing.assert_close(*weights, atol=2e-2, rtol=0)


def test_a_model_that_switches_autocast_off_is_not_counted(plain_run, small_model):
    small_model['backbone']['type'] = 'StubbornUNet'
    runner = plain_run(optim_wrapper=MIXED, model=small_model)
    runner.train()
    assert runner.optim_wrapper.acted == 0


def test_autocast_of_another_device_is_not_counted():
    cast = Autocast(Toy())
    cast.device_type = 'cuda'
    with pytest.warns(UserWarning), cast():
        cast._seen = False
        Toy()(torch.zeros(1, 3))
    assert cast.times == 0


def test_watching_ends():
    model = Toy()
    cast = Autocast(model)
    with cast():
        model(torch.zeros(1, 3))
    cast.remove()
    with cast():
        model(torch.zeros(1, 3))
    assert cast.times == 1 and not model.backbone._forward_pre_hooks


def test_clipping_goes_with_it(plain_run):
    runner = plain_run(optim_wrapper=dict(MIXED, clip_grad=dict(max_norm=1e-3)), steps=1)
    runner.train()
    grads = [p.grad for group in runner.optim_wrapper.optimizer.param_groups for p in group['params']]
    assert runner.optim_wrapper.clip_grad_kwargs == dict(max_norm=1e-3)
    assert all(grad is None for grad in grads)  # zeroed after the step
    assert runner.message_hub.get_scalar('train/grad_norm').current() > 1e-3


def test_gradients_accumulate_as_in_float32():
    model = Toy()
    optim = wrapper(model.parameters(), accumulative_counts=2)
    optim.initialize_count_status(model, 0, 4)
    before = model.backbone.weight.detach().clone()
    for step in range(2):
        with optim.optim_context(model):
            loss = model(torch.ones(1, 3)).float().sum()
        optim.update_params(loss)
        assert torch.equal(model.backbone.weight, before) == (step == 0)
    torch.testing.assert_close(model.backbone.weight, before - 0.1)  # d loss / d w = 1


def test_a_resumed_run_gets_its_state_back():
    model = Toy()
    first, second = wrapper(model.parameters()), wrapper(model.parameters())
    first.optimizer.param_groups[0]['lr'] = 0.25
    second.load_state_dict(first.state_dict())
    assert second.optimizer.param_groups[0]['lr'] == 0.25


@pytest.mark.parametrize(
    'device, dtype, expected',
    [('cpu', None, torch.bfloat16), ('cuda', None, torch.float16), ('cuda', 'bfloat16', torch.bfloat16)],
)
def test_the_format_follows_the_device(device, dtype, expected):
    assert autocast_dtype(device, dtype) == expected


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(dtype='float32'), 'no low precision'),
        (dict(dtype='float16'), 'for GPUs'),
        (dict(loss_scale=-1), 'loss_scale'),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        wrapper(Toy().parameters(), **settings)


def test_the_name_is_our_own():
    assert OPTIM_WRAPPERS.get('MixedPrecisionOptimWrapper') is MixedPrecisionOptimWrapper


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA GPU')
def test_float16_scales_the_loss_and_leaves_out_a_step_that_overflows():
    model = Toy().cuda()
    optim = wrapper(model.parameters(), loss_scale=1e38)
    before = model.backbone.weight.detach().clone()
    with optim.optim_context(model):
        loss = model(torch.ones(1, 3, device='cuda')).float().sum() * 1e10
    optim.update_params(loss)
    assert torch.equal(model.backbone.weight, before) and optim.loss_scaler.get_scale() < 1e38 and optim.acted == 1
