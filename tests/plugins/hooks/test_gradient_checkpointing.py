"""Gradient checkpointing: the same training, with fewer activations kept."""

import pytest
import torch
from mmseg.registry import HOOKS, MODELS
from torch import nn

import plugins.backbones.efficientnet_lite0  # noqa: F401
from plugins.hooks.gradient_checkpointing import GradientCheckpointingHook, blocks, frozen_statistics

CHECKPOINTED = dict(type='GradientCheckpointingHook')
NORM = dict(type='BN')
HEAD = dict(type='FCNHead', num_convs=1, concat_input=False, channels=4, num_classes=2, norm_cfg=NORM, in_index=-1)
BACKBONES = dict(
    resnet=(dict(type='ResNetV1c', depth=18, stem_channels=8, base_channels=8, norm_cfg=NORM), 64, 9),
    mobilenet=(dict(type='MobileNetV2', widen_factor=0.25, norm_cfg=NORM), 80, 18),
    efficientnet_lite0=(dict(type='EfficientNetLite0', out_indices=(2, 3)), 112, 11),
    mit=(dict(type='MixVisionTransformer', embed_dims=8, num_layers=[1, 2, 1, 1], num_heads=[1, 1, 1, 1]), 8, 5 + 4),
    swin=(
        dict(
            type='SwinTransformer',
            embed_dims=8,
            depths=(2, 2),
            num_heads=(1, 2),
            strides=(4, 2),
            window_size=4,
            out_indices=(0, 1),
            drop_path_rate=0.3,
        ),
        16,
        3,
    ),
)


def trained(run, hooks, **settings):
    """State of a training: losses of each step, all weights, statistics, and the random numbers that come next."""
    losses = []
    runner = run(hooks, **settings)
    update = runner.model.parse_losses

    def parse_losses(values):
        losses.append({name: value.detach().clone() for name, value in values.items()})
        return update(values)

    runner.model.parse_losses = parse_losses
    runner.train()
    return losses, runner.model.state_dict(), torch.get_rng_state(), runner


def assert_same_training(run, **settings):
    plain, ours = trained(run, [], **settings), trained(run, [CHECKPOINTED], **settings)
    for step, other in zip(plain[0], ours[0]):
        assert step.keys() == other.keys() and all(torch.equal(step[name], other[name]) for name in step)
    assert plain[1].keys() == ours[1].keys()
    assert [name for name in plain[1] if not torch.equal(plain[1][name], ours[1][name])] == []
    assert torch.equal(plain[2], ours[2])
    return ours[3]


def hook_of(runner):
    return next(hook for hook in runner.hooks if isinstance(hook, GradientCheckpointingHook))


def test_losses_weights_statistics_and_random_numbers_are_those_without(plain_run):
    runner = assert_same_training(plain_run, steps=3)
    assert hook_of(runner).acted == 3 * 5  # 3 encoder and 2 decoder stages of the U-Net
    assert int(runner.model.state_dict()['backbone.encoder.0.0.convs.0.bn.num_batches_tracked']) == 3


def test_mmengines_own_counts_batches_twice(plain_run):
    weights = plain_run(activation_checkpointing=['backbone.encoder.1'], steps=3).train().state_dict()
    assert weights['backbone.encoder.1.1.convs.0.bn.num_batches_tracked'] == 6


@pytest.mark.parametrize('name', BACKBONES)
def test_any_backbone_trains_the_same(plain_run, small_model, name):
    backbone, channels, count = BACKBONES[name]
    model = dict(small_model, backbone=backbone, decode_head=dict(HEAD, in_channels=channels, dropout_ratio=0.3))
    model['data_preprocessor'] = dict(small_model['data_preprocessor'], size=(32, 32))
    runner = assert_same_training(plain_run, steps=2, model=model)
    assert hook_of(runner).acted == 2 * len(blocks(runner.model.backbone)) == 2 * count


def test_it_goes_with_mixed_precision(plain_run):
    import plugins.optim.mixed_precision  # noqa: F401

    optim = dict(type='MixedPrecisionOptimWrapper', optimizer=dict(type='SGD', lr=0.05))
    runner = assert_same_training(plain_run, steps=2, optim_wrapper=optim)
    assert runner.optim_wrapper.acted == 2 and hook_of(runner).acted == 10


def kept_bytes(model, image):
    """Bytes of activations that the forward pass keeps for backward; parameters are there anyway."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.backbone(image)
    return sum(size for size, _ in kept.values())


def test_less_is_kept(plain_run, small_model):
    backbone, channels, _ = BACKBONES['resnet']
    model = dict(small_model, backbone=backbone, decode_head=dict(HEAD, in_channels=channels))
    runner = plain_run([CHECKPOINTED], model=model)
    image = torch.rand(2, 3, 64, 64)
    runner.model.train()
    plain = kept_bytes(runner.model, image)
    hook_of(runner).before_train(runner)
    assert kept_bytes(runner.model, image) < 0.5 * plain
    hook_of(runner).after_train(runner)
    assert kept_bytes(runner.model, image) == plain


def test_named_modules_alone_are_checkpointed(plain_run):
    runner = plain_run([dict(CHECKPOINTED, modules=['decode_head.convs', 'backbone.encoder.1'])], steps=2)
    runner.train()
    assert hook_of(runner).acted == 4


def test_nothing_is_recomputed_when_testing(plain_run):
    runner = plain_run([CHECKPOINTED])
    hook_of(runner).before_train(runner)
    runner.model.eval()
    runner.model.backbone(torch.rand(1, 3, 16, 16))[-1].sum().backward()
    runner.model.train()
    with torch.no_grad():
        runner.model.backbone(torch.rand(1, 3, 16, 16))
    assert hook_of(runner).acted == 0


@pytest.mark.parametrize('momentum', [0.1, None])
def test_statistics_are_frozen_but_the_output_is_not(momentum):
    images = torch.rand(4, 3, 5, 5)
    norm = nn.BatchNorm2d(3, momentum=momentum)
    expected = nn.BatchNorm2d(3)(images)
    norm(torch.rand(4, 3, 5, 5))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with frozen_statistics(nn.Sequential(norm)):
        assert torch.equal(norm(images), expected)
    assert list(norm.state_dict()) == list(before) and norm.momentum == momentum
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    norm(images)
    assert norm.num_batches_tracked == 2


def test_a_layer_that_tracks_nothing_and_one_that_does_not_train_are_left_alone():
    layers = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.BatchNorm2d(3).eval())
    with frozen_statistics(layers):
        layers(torch.rand(2, 3, 4, 4))
        assert layers[1].momentum == 0.1
    assert not layers[0].track_running_stats


def test_what_is_no_submodule_is_refused(plain_run):
    with pytest.raises(ValueError, match="no submodule 'backbone.layer9'.*decode_head"):
        plain_run([dict(CHECKPOINTED, modules=['backbone.layer9'])]).train()


@MODELS.register_module(force=True)
class OneConvolution(nn.Module):
    """A backbone with no block."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return [self.conv(x)]


def test_a_backbone_without_blocks_is_refused(plain_run, small_model):
    small_model['backbone'] = dict(type='OneConvolution')
    small_model['decode_head']['in_index'] = 0
    with pytest.raises(ValueError, match='no backbone with blocks'):
        plain_run([CHECKPOINTED], model=small_model).train()


def test_the_name_is_registered():
    assert HOOKS.get('GradientCheckpointingHook') is GradientCheckpointingHook
