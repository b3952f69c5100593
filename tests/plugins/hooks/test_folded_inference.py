"""Testing with folded batch norms: which layers are folded, and that predictions and the network stay what they are."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from mmengine.hooks import Hook
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmseg.registry import HOOKS, MODELS
from torch import nn
from torch.nn.functional import conv2d

import plugins.hooks.compile_inference
import plugins.hooks.inference
import plugins.hooks.mixed_precision_inference
import plugins.hooks.weight_ema
import plugins.views.scale  # noqa: F401
from plugins.backbones.efficientnet_lite0 import EfficientNetLite0
from plugins.hooks.folded_inference import FoldedInferenceHook
from plugins.hooks.folded_layers import folded, pairs_in
from plugins.tools.combine_checkpoints import combine

FOLDED = dict(type='FoldedInferenceHook')
SCALES = dict(views=dict(plain=dict(type='IdentityView'), half=dict(type='ScaleView', scale=0.5)))
IMAGES, NORMS = 6, 8  # of plain_run, and in its model


@HOOKS.register_module(force=True)
class KeepsFolded(Hook):
    """Keeps the logits of each tested image."""

    priority = 'LOWEST'

    def before_test(self, runner):
        self.logits = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logits += [sample.seg_logits.data for sample in outputs]


def hook_of(runner, kind):
    return next(hook for hook in runner.hooks if type(hook).__name__ == kind)


def random_(model, seed=0):
    """Weights and statistics that leave no channel as it was."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_floating_point():
            drawn = torch.randn(value.shape, generator=generator)
            value.data.copy_(drawn.abs() + 0.3 if name.endswith('running_var') else drawn * 0.5)
    return model.eval()


def predicted(run, hooks, seed=0, **settings):
    runner = run([*hooks, dict(type='KeepsFolded')], **settings)
    random_(runner.model, seed)
    runner.test()
    return torch.stack(hook_of(runner, 'KeepsFolded').logits), runner


def assert_equal_but_for_rounding(ours, plain):
    assert 0 < (plain - ours).abs().max() < 1e-5 * plain.abs().max()


# Which layers belong together.


class Net(nn.Module):
    """Layers, and what is done with them."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._do = forward
        random_(self)

    def forward(self, x):
        return self._do(self, x)


def names_folded(net, image=None):
    """Names of the folded convolutions; checked is that their copies compute the same."""
    image = torch.rand(1, 3, 9, 8) if image is None else image
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pairs, plain = pairs_in(net, lambda: net(image))
    twin = copy.deepcopy(net)
    names = {module: name for name, module in net.named_modules()}
    for pair in pairs:
        twin.get_submodule(names[pair.conv]).forward = folded(pair).forward
        twin.get_submodule(names[pair.norm]).forward = lambda x: x
    with torch.no_grad():
        torch.testing.assert_close(twin(image), plain, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(net(image), plain, rtol=0, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
    return [names[pair.conv] for pair in pairs]


def conv(**settings):
    return nn.Conv2d(3, 3, 3, padding=1, **settings)


@pytest.mark.parametrize(
    'layer',
    [
        conv(),
        conv(bias=False),
        conv(stride=2),
        conv(groups=3),
        conv(dilation=2),
        conv(padding_mode='circular'),
        nn.ConvTranspose2d(3, 3, 2, stride=2),
    ],
)
@pytest.mark.parametrize(
    'norm',
    [
        nn.BatchNorm2d(3, eps=0.1),
        nn.BatchNorm2d(3, affine=False),
        revert_sync_batchnorm(nn.Sequential(nn.SyncBatchNorm(3)))[0],
    ],
)
def test_a_convolution_and_the_batch_norm_behind_it(layer, norm):
    net = Net(lambda net, x: net.norm(net.conv(x)).relu_(), conv=copy.deepcopy(layer), norm=copy.deepcopy(norm))
    assert names_folded(net) == ['conv']


def test_by_hand():
    net = Net(lambda net, x: net.norm(net.conv(x)), conv=nn.Conv2d(1, 1, 1), norm=nn.BatchNorm2d(1, eps=0.25))
    for tensor, value in (
        (net.conv.weight, 2),
        (net.conv.bias, 5),
        (net.norm.weight, 3),
        (net.norm.bias, 7),
        (net.norm.running_mean, 4),
        (net.norm.running_var, 2),
    ):
        tensor.data.fill_(value)
    pairs, _ = pairs_in(net, lambda: net(torch.zeros(1, 1, 2, 2)))
    one = folded(pairs[0])
    # s = 3 / sqrt(2.25) = 2, so y = 2 (2 u + 5 - 4) + 7
    assert one.weight.item() == pytest.approx(4) and one.bias.item() == pytest.approx(9)


def test_dropout_and_identity_between_them_do_nothing_in_a_test():
    net = Net(
        lambda net, x: net.norm(net.between(net.conv(x))),
        conv=conv(),
        between=nn.Sequential(nn.Dropout(0.5), nn.Identity()),
        norm=nn.BatchNorm2d(3),
    )
    assert names_folded(net) == ['conv']


class Standardised(nn.Conv2d):
    """Its weight is not the one it convolves with."""

    def forward(self, x):
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


class Scaled(nn.Conv2d):
    """Its output is not that of the convolution."""

    def forward(self, x):
        return super().forward(x) * 2


class Activated(nn.BatchNorm2d):
    """Gives something else than what batch norm gives."""

    def forward(self, x):
        return super().forward(x).relu()


UNCERTAIN = dict(
    before=lambda net, x: net.conv(net.norm(x)),
    activation_between=lambda net, x: net.norm(net.conv(x).relu()),
    in_place_between=lambda net, x: net.norm(net.conv(x).relu_()),
    output_used=lambda net, x: (lambda y: net.norm(y) + y)(net.conv(x)),
    view_used=lambda net, x: (lambda y: net.norm(y) + y[:, :1])(net.conv(x)),
    output_is_the_result=lambda net, x: (lambda y: (net.norm(y), y)[1])(net.conv(x)),
    conv_shared=lambda net, x: net.norm(net.conv(x)) + net.conv(2 * x),
    norm_shared=lambda net, x: net.norm(net.conv(x)) + net.norm(x),
    weight_used=lambda net, x: net.norm(net.conv(x)) + net.conv.weight.mean(),
    statistics_used=lambda net, x: net.norm(net.conv(x)) + net.norm.running_mean[0],
    convolved_by_hand=lambda net, x: net.norm(conv2d(x, net.conv.weight, net.conv.bias)),
    normalised_by_hand=lambda net, x: nn.functional.batch_norm(
        net.conv(x), net.norm.running_mean, net.norm.running_var, net.norm.weight, net.norm.bias
    ),
    another_weight=lambda net, x: nn.functional.batch_norm(
        net.conv(x), net.norm.running_mean, net.norm.running_var, net.norm.bias, net.norm.weight
    ),
)


@pytest.mark.parametrize('name', UNCERTAIN)
def test_what_is_not_certain_stays(name):
    assert names_folded(Net(UNCERTAIN[name], conv=conv(), norm=nn.BatchNorm2d(3))) == []


@pytest.mark.parametrize(
    'layers',
    [
        dict(conv=Standardised(3, 3, 3), norm=nn.BatchNorm2d(3)),
        dict(conv=Scaled(3, 3, 3), norm=nn.BatchNorm2d(3)),
        dict(conv=conv(), norm=Activated(3)),
        dict(conv=conv(), norm=nn.InstanceNorm2d(3, affine=True)),
        dict(conv=conv(), norm=nn.BatchNorm2d(3, track_running_stats=False)),
        dict(conv=nn.utils.spectral_norm(conv()), norm=nn.BatchNorm2d(3)),
        dict(conv=nn.utils.parametrizations.spectral_norm(conv()), norm=nn.BatchNorm2d(3)),
        dict(conv=nn.ConvTranspose2d(3, 3, 2, groups=3), norm=nn.BatchNorm2d(3)),
    ],
)
def test_layers_that_are_something_else_stay(layers):
    assert names_folded(Net(lambda net, x: net.norm(net.conv(x)), **copy.deepcopy(layers))) == []


def test_a_batch_norm_in_training_mode_stays():
    net = Net(lambda net, x: net.norm(net.conv(x)), conv=conv(), norm=nn.BatchNorm2d(3, momentum=0.0))
    net.norm.train()
    assert pairs_in(net, lambda: net(torch.rand(1, 3, 5, 5)))[0] == []


def test_layers_that_share_weights_stay_and_each_of_several_pairs_is_found():
    layers = {name: conv() for name in 'abc'} | {f'{name}_norm': nn.BatchNorm2d(3) for name in 'abc'}
    layers['b'].weight = layers['a'].weight
    net = Net(lambda net, x: net.c_norm(net.c(net.b_norm(net.b(net.a_norm(net.a(x)))))), **layers)
    assert names_folded(net) == ['c']


def test_pre_activation_folds_the_norm_behind_and_leaves_the_one_in_front():
    order = dict(norm_cfg=dict(type='BN'), order=('norm', 'act', 'conv'))
    net = Net(lambda net, x: net.b(net.a(x)), a=ConvModule(3, 4, 3, **order), b=ConvModule(4, 3, 3, **order))
    assert names_folded(net) == ['a.conv']  # the norm of the first, on the image, stays; that of b is folded into a


def test_mmcvs_own_folding_on_the_fly_is_left_to_it():
    net = Net(lambda net, x: net.a(x), a=ConvModule(3, 4, 3, norm_cfg=dict(type='BN'), efficient_conv_bn_eval=True))
    assert names_folded(net) == []


BACKBONES = dict(
    resnet=(
        dict(
            type='ResNetV1c',
            depth=18,
            stem_channels=8,
            base_channels=8,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            norm_cfg=dict(type='BN'),
        ),
        22,
    ),
    bottlenecks=(
        dict(
            type='ResNeXt', depth=50, stem_channels=8, base_channels=8, groups=4, base_width=4, norm_cfg=dict(type='BN')
        ),
        53,
    ),
    mobilenet=(dict(type='MobileNetV2', widen_factor=0.25, norm_cfg=dict(type='BN')), 51),
    unet=(
        dict(
            type='UNet',
            base_channels=4,
            num_stages=3,
            strides=(1, 1, 1),
            enc_num_convs=(2, 2, 2),
            dec_num_convs=(2, 2),
            downsamples=(True, True),
            enc_dilations=(1, 1, 1),
            dec_dilations=(1, 1),
            upsample_cfg=dict(type='DeconvModule'),
        ),
        12,
    ),
)


@pytest.mark.parametrize('name', BACKBONES)
def test_every_batch_norm_of_common_backbones_is_folded(name):
    config, number = BACKBONES[name]
    with DefaultScope.overwrite_default_scope('mmseg'):
        backbone = MODELS.build(config)
    backbone.eval()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.running_mean.normal_()
    assert len(names_folded(backbone, torch.rand(1, 3, 64, 64))) == number == len(norms)


def test_every_batch_norm_of_an_efficientnet_is_folded():
    backbone = EfficientNetLite0(pretrained=False).eval()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(names_folded(backbone, torch.rand(1, 3, 32, 32))) == len(norms) > 40


# The hook.


def test_predictions_are_the_same_but_for_rounding(plain_run):
    plain, _ = predicted(plain_run, [])
    ours, runner = predicted(plain_run, [FOLDED])
    assert hook_of(runner, 'FoldedInferenceHook').acted == IMAGES
    assert_equal_but_for_rounding(ours, plain)
    assert torch.equal(plain.argmax(1), ours.argmax(1))


def test_the_network_is_as_it_was_while_and_after(plain_run):
    runner = plain_run([FOLDED])
    weights = {name: value.clone() for name, value in random_(runner.model).state_dict().items()}
    attributes, described = {module: set(vars(module)) for module in runner.model.modules()}, str(runner.model)
    seen = []
    runner.register_hook(
        type(
            'Looks',
            (Hook,),
            dict(
                after_test_iter=lambda self, runner, batch_idx, data_batch=None, outputs=None: seen.append(
                    {name: value.clone() for name, value in runner.model.state_dict().items()}
                )
            ),
        )()
    )
    runner.test()
    for state in [*seen, runner.model.state_dict()]:
        assert list(state) == list(weights) and all(torch.equal(state[name], weights[name]) for name in weights)
    assert {module: set(vars(module)) for module in runner.model.modules()} == attributes
    assert str(runner.model) == described
    assert all(value.is_contiguous() for value in runner.model.parameters())


def test_a_training_before_or_after_knows_nothing_of_it(plain_run):
    states = []
    for hooks in ([], [FOLDED]):
        runner = plain_run(hooks, steps=2)
        runner.test()
        states.append(runner.train().state_dict())
    assert hook_of(runner, 'FoldedInferenceHook').acted == IMAGES
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_inside_a_pass_images_and_weights_are_channels_last_and_norms_do_nothing(plain_run):
    seen = []
    runner = plain_run([FOLDED])
    random_(runner.model)
    layer = runner.model.backbone.encoder[0][0].convs[0]
    layer.conv.register_forward_hook(
        lambda module, inputs, output: seen.append(
            (
                inputs[0].is_contiguous(memory_format=torch.channels_last),
                module.forward.__self__.weight.is_contiguous(memory_format=torch.channels_last),
            )
        )
    )
    layer.bn.register_forward_hook(lambda module, inputs, output: seen.append(output is inputs[0]))
    runner.test()
    # The first image is predicted three times: to find the pairs, to check them, and for its result.
    assert seen[-4:] == [(True, True), True] * 2 and len(seen) == 2 * (IMAGES + 2)


@pytest.mark.parametrize('order', [1, -1])
def test_it_reaches_the_model_inside_views_and_goes_with_autocast(plain_run, order):
    others = [dict(type='InferenceHook'), dict(type='MixedPrecisionInferenceHook')]
    plain, _ = predicted(plain_run, others, inference=SCALES)
    ours, runner = predicted(plain_run, [*others, FOLDED][::order], inference=SCALES)
    acted = {type(hook).__name__: hook.acted for hook in runner.hooks if hasattr(hook, 'acted')}
    assert acted == dict(InferenceHook=IMAGES, MixedPrecisionInferenceHook=2 * IMAGES, FoldedInferenceHook=2 * IMAGES)
    assert 0 < (plain - ours).abs().mean() < 0.02
    assert not {'encode_decode', 'forward'} & {name for module in runner.model.modules() for name in vars(module)}


def test_compiled_it_predicts_the_same(plain_run):
    torch._dynamo.reset()
    plain, _ = predicted(plain_run, [])
    ours, runner = predicted(plain_run, [FOLDED, dict(type='CompileInferenceHook', backend='eager')])
    assert hook_of(runner, 'CompileInferenceHook').acted == 2 * IMAGES  # the comparison on the first image is eager
    assert_equal_but_for_rounding(ours, plain)
    torch._dynamo.reset()


def test_windows_are_folded_each(plain_run, small_model):
    small_model['test_cfg'] = dict(mode='slide', crop_size=(16, 16), stride=(8, 8))
    plain, _ = predicted(plain_run, [], model=small_model)
    ours, runner = predicted(plain_run, [FOLDED], model=small_model)
    assert hook_of(runner, 'FoldedInferenceHook').acted == IMAGES * 2 * 2
    assert_equal_but_for_rounding(ours, plain)


def test_each_member_of_an_ensemble_is_folded(plain_run, tmp_path):
    members = []
    for seed in range(2):
        runner = plain_run([])
        members.append((dict(state_dict=random_(runner.model, seed).state_dict(), meta={}), runner.cfg.model.to_dict()))
    torch.save(combine(members), tmp_path / 'both.pth')
    settings = dict(load_from=str(tmp_path / 'both.pth'))
    logits = []
    for hooks in ([], [FOLDED]):
        runner = plain_run([dict(type='EnsembleHook'), *hooks, dict(type='KeepsFolded')], **settings)
        runner.test()
        logits.append(torch.stack(hook_of(runner, 'KeepsFolded').logits))
    assert hook_of(runner, 'FoldedInferenceHook').acted == 2 * IMAGES
    assert_equal_but_for_rounding(*logits)


def test_the_averaged_weights_are_what_is_folded(plain_run):
    averages = dict(type='WeightEMAHook', momentum=0.5)
    logits = []
    for hooks in ([averages], [averages, FOLDED]):
        runner = plain_run([*hooks, dict(type='KeepsFolded')], steps=2)
        runner.train()
        runner.test()
        logits.append(torch.stack(hook_of(runner, 'KeepsFolded').logits))
    assert_equal_but_for_rounding(*logits)
    last = plain_run([dict(type='KeepsFolded')])
    last.model.load_state_dict(runner.model.state_dict())  # those of the last step, again
    last.test()
    assert (torch.stack(hook_of(last, 'KeepsFolded').logits) - logits[1]).abs().max() > 1e-3


def test_a_second_test_folds_the_weights_of_then(plain_run):
    runner = plain_run([FOLDED, dict(type='KeepsFolded')])
    for seed in range(2):
        random_(runner.model, seed)
        runner.test()
        plain, _ = predicted(plain_run, [], seed)
        assert_equal_but_for_rounding(torch.stack(hook_of(runner, 'KeepsFolded').logits), plain)
    assert hook_of(runner, 'FoldedInferenceHook').acted == 2 * IMAGES


def test_without_batch_norm_the_network_stays_and_it_says_so(plain_run, small_model):
    for part in ('backbone', 'decode_head'):
        small_model[part]['norm_cfg'] = dict(type='GN', num_groups=2)
    plain, _ = predicted(plain_run, [], model=small_model)
    ours, runner = predicted(plain_run, [FOLDED], model=small_model)
    assert torch.equal(plain, ours) and hook_of(runner, 'FoldedInferenceHook').acted == 0


def test_where_nothing_is_tested_it_says_nothing(plain_run):
    runner = plain_run([FOLDED], steps=1)
    runner.train()
    assert hook_of(runner, 'FoldedInferenceHook').acted is None


def test_a_fold_that_gives_other_logits_is_refused_and_undone(plain_run, monkeypatch):
    from plugins.hooks import folded_inference

    wrong = folded_inference.folded
    monkeypatch.setattr(folded_inference, 'folded', lambda pair: wrong(pair._replace(norm=_doubled(pair.norm))))
    runner = plain_run([FOLDED])
    random_(runner.model)
    with pytest.raises(RuntimeError, match=f'{NORMS} batch norms.*differ by.*FoldedInferenceHook'):
        runner.test()
    assert not any('forward' in vars(module) for module in runner.model.modules())
    monkeypatch.undo()
    runner.test()  # after the test that broke off
    assert hook_of(runner, 'FoldedInferenceHook').acted == IMAGES and 'encode_decode' not in vars(runner.model)


def _doubled(norm):
    twin = copy.deepcopy(norm)
    twin.weight.data *= 2
    return twin


def test_a_diverged_model_is_left_to_those_who_tell_of_it(plain_run):
    runner = plain_run([FOLDED, dict(type='InferenceHook')])
    runner.model.decode_head.conv_seg.bias.data.fill_(float('nan'))
    with pytest.raises(FloatingPointError, match='diverged'):
        runner.test()


def test_the_name_is_free():
    assert HOOKS.get('FoldedInferenceHook') is FoldedInferenceHook
    assert FoldedInferenceHook.__module__ == 'plugins.hooks.folded_inference'
