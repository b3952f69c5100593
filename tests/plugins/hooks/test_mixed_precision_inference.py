"""Testing in mixed precision, in plain mmsegmentation."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.models import UNet
from mmseg.registry import HOOKS, MODELS

import plugins.hooks.inference
import plugins.views.flip  # noqa: F401
from plugins.hooks.mixed_precision_inference import MixedPrecisionInferenceHook
from plugins.hooks.segmentor_parts import networks, segmentors

MIXED = dict(type='MixedPrecisionInferenceHook')
FLIPS = dict(views=dict(plain=dict(type='IdentityView'), hflip=dict(type='FlipView', direction='horizontal')))


@MODELS.register_module(force=True)
class Float32UNet(UNet):
    """Switches autocast off inside."""

    def __call__(self, x):
        with torch.autocast('cpu', enabled=False):
            return super().__call__(x)


@HOOKS.register_module(force=True)
class KeepsTested(Hook):
    """Keeps the logits of each tested image, and the types of the backbone's outputs."""

    def before_test(self, runner):
        self.logits, self.inside = [], []
        backbone = segmentors(runner.model)[0].backbone
        backbone.register_forward_hook(lambda module, inputs, outputs: self.inside.append(outputs[-1].dtype))

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logits += [sample.seg_logits.data for sample in outputs]


def predicted(run, hooks, **settings):
    runner = run([*hooks, dict(type='KeepsTested')], **settings)
    generator = torch.Generator().manual_seed(0)
    for value in runner.model.parameters():
        value.data.copy_(torch.randn(value.shape, generator=generator) * 0.5)
    runner.test()
    found = {type(hook): hook for hook in runner.hooks}
    return found[KeepsTested], found.get(MixedPrecisionInferenceHook), runner


def test_the_network_runs_in_bfloat16_and_gives_float32(plain_run):
    plain, _, _ = predicted(plain_run, [])
    mixed, hook, runner = predicted(plain_run, [MIXED])
    assert plain.inside == [torch.float32] * 6 and mixed.inside == [torch.bfloat16] * 6
    assert hook.acted == 6 and all(logits.dtype == torch.float32 for logits in mixed.logits)
    one, other = torch.stack(plain.logits), torch.stack(mixed.logits)
    assert 0 < (one - other).abs().max() < 0.05 * one.abs().max()
    assert 'encode_decode' not in vars(runner.model) and not runner.model.backbone._forward_pre_hooks


@pytest.mark.parametrize('order', [1, -1])
def test_it_reaches_the_model_inside_views_in_any_order(plain_run, order):
    mixed, hook, runner = predicted(plain_run, [dict(type='InferenceHook'), MIXED][::order], inference=FLIPS)
    assert hook.acted == 12 and mixed.inside == [torch.bfloat16] * 12
    assert all(logits.dtype == torch.float32 for logits in mixed.logits)


def test_each_window_of_a_sliding_inference_is_cast(plain_run, small_model):
    small_model['test_cfg'] = dict(mode='slide', crop_size=(16, 16), stride=(8, 8))
    mixed, hook, _ = predicted(plain_run, [MIXED], model=small_model)
    assert hook.acted == 6 * 2 * 2 == len(mixed.inside)  # 2×2 windows in 20×24 pixels


def test_a_model_that_switches_autocast_off_is_not_counted(plain_run, small_model):
    small_model['backbone']['type'] = 'Float32UNet'
    _, hook, _ = predicted(plain_run, [MIXED], model=small_model)
    assert hook.acted == 0


def test_a_second_test_is_cast_too_and_training_is_not(plain_run):
    mixed, hook, runner = predicted(plain_run, [MIXED], steps=1)
    runner.test()
    assert hook.acted == 12
    mixed.inside.clear()
    runner.train()
    assert set(mixed.inside) == {torch.float32} and hook.acted == 12


def test_only_low_precision_is_accepted(plain_run):
    with pytest.raises(ValueError, match='no low precision'):
        predicted(plain_run, [dict(MIXED, dtype='float32')])


def test_the_members_of_an_ensemble_are_cast_and_their_mean_is_not(plain_run, small_model):
    import plugins.hooks.ensemble as ensemble

    members = [MODELS.build(Config(small_model)).eval() for _ in range(2)]
    model = ensemble.EnsembleModel(members)
    runner, hook = SimpleNamespace(model=model), MixedPrecisionInferenceHook()
    assert segmentors(model) == members and hook.acted is None
    hook.before_test(runner)
    meta = dict(ori_shape=(16, 16), img_shape=(16, 16))
    logits = model.inference(torch.rand(1, 3, 16, 16), [meta])
    hook.after_test(runner)
    assert hook.acted == 2 and logits.dtype == torch.float32
    assert all('encode_decode' not in vars(member) for member in members)


def test_segmentors_are_found_inside_wrappers(plain_run):
    model = plain_run().model
    assert segmentors(torch.nn.ModuleList([model, model])) == [model]
    assert networks(model) == [model.backbone, model.decode_head]
    with pytest.raises(ValueError, match='Linear holds no mmseg segmentor'):
        segmentors(torch.nn.Linear(1, 1))
