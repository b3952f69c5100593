"""The auxiliary head trains every level of any pyramid."""

import pickle

import pytest
import torch
import torch.nn.functional as F

from plugins.heads.deep_supervision_head import DeepSupervisionHead, level_weights


def fcn(channels):
    return dict(
        type='FCNHead', in_channels=channels[0], in_index=0, channels=4, num_convs=1, concat_input=False, num_classes=3
    )


@pytest.mark.parametrize(
    'strides, weights',
    [([1, 2, 4], [4 / 7, 2 / 7, 1 / 7]), ([8, 4], [1 / 3, 2 / 3]), ([16, 16, 16, 16], [1 / 4] * 4), ([5], [1])],
)
def test_weights_halve_with_the_resolution_and_sum_to_1(strides, weights):
    assert level_weights(strides) == pytest.approx(weights)


def test_any_backbone_is_supervised_at_every_level(backbone, build, step, predict):
    config, channels, strides, size = backbone
    if config['type'] == 'VisionTransformer':
        config = dict(config, output_cls_token=False)  # the decode head of this test takes maps alone
    head = dict(type='DeepSupervisionHead', in_channels=channels, in_strides=strides, num_classes=3)
    model = build(config, fcn(channels), auxiliary_head=head)
    losses = step(model, size)
    names = [name for name in losses if name.startswith('aux') and 'loss' in name]
    assert names == [f'aux.level{n}.loss_ce' for n in range(len(channels))]
    assert all((parameter.grad != 0).any() for parameter in model.auxiliary_head.parameters())
    assert predict(model, size).shape == (2, 3, *size)


def test_levels_may_come_with_a_class_token():
    head = DeepSupervisionHead([3, 5], [4, 4], num_classes=2).eval()
    levels = [torch.randn(2, 3, 6, 5), torch.randn(2, 5, 6, 5)]
    pairs = [(level, torch.randn(2, level.shape[1])) for level in levels]
    assert all(torch.equal(one, other) for one, other in zip(head(pairs), head(levels), strict=True))


def test_the_loss_is_the_weighted_sum_over_the_levels(ground_truth):
    torch.manual_seed(0)
    head = DeepSupervisionHead(
        [3, 5, 7],
        [1, 2, 4],
        num_classes=3,
        channels=4,
        dropout_ratio=0,
        loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
    )
    levels = [torch.randn(2, width, side, side) for width, side in ((3, 16), (5, 8), (7, 4))]
    batch = ground_truth(2, (16, 16))
    losses = head.loss(levels, batch, {})
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in batch])
    assert (labels == 255).any()
    for n, logits in enumerate(head(levels)):
        pixels = F.cross_entropy(
            F.interpolate(logits, (16, 16), mode='bilinear'), labels, ignore_index=255, reduction='none'
        )
        torch.testing.assert_close(losses[f'level{n}.loss_ce'], 0.4 * (4, 2, 1)[n] / 7 * pixels.mean())


def test_several_losses_and_selected_levels(ground_truth):
    torch.manual_seed(0)
    head = DeepSupervisionHead(
        [7, 3],
        [4, 1],
        in_index=[2, 0],
        num_classes=3,
        loss_decode=[dict(type='CrossEntropyLoss'), dict(type='DiceLoss', loss_weight=3.0)],
    )
    levels = [torch.randn(2, width, side, side) for width, side in ((3, 16), (5, 8), (7, 4))]
    losses = head.loss(levels, ground_truth(2, (16, 16)), {})
    assert set(losses) == {f'level{n}.{name}' for n in (0, 1) for name in ('loss_ce', 'loss_dice', 'acc_seg')}
    assert [logits.shape[2] for logits in head(levels)] == [4, 16]


def test_classifiers_start_as_any_heads_classifier():
    head = DeepSupervisionHead([3, 5], [1, 2], num_classes=3, channels=64)
    head.init_weights()
    for classifier in head.classifiers:
        assert 0.005 < classifier.weight.std() < 0.015 and (classifier.bias == 0).all()
    assert 'conv_seg.weight' not in head.state_dict()


@pytest.mark.slow
def test_captured_as_one_graph_under_autocast_and_pickled():
    torch.manual_seed(0)
    head = DeepSupervisionHead([3, 5], [1, 2], num_classes=3).eval()
    levels = [torch.randn(1, 3, 9, 7), torch.randn(1, 5, 5, 4)]
    captured = torch.compile(head, backend='aot_eager', fullgraph=True)(levels)
    for twin in (captured, pickle.loads(pickle.dumps(head))(levels)):
        for one, other in zip(twin, head(levels), strict=True):
            torch.testing.assert_close(one, other)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert all(logits.dtype == torch.bfloat16 and logits.isfinite().all() for logits in head(levels))


def test_it_does_not_predict(resnet, build, predict):
    config, channels, strides = resnet
    model = build(config, dict(type='DeepSupervisionHead', in_channels=channels, in_strides=strides, num_classes=3))
    with pytest.raises(TypeError, match='auxiliary_head'):
        predict(model)


@pytest.mark.parametrize('changes', [dict(in_strides=[1]), dict(in_index=[0]), dict(in_strides=[1, 0])])
def test_what_does_not_fit_is_refused(changes):
    with pytest.raises(ValueError, match='give each level'):
        DeepSupervisionHead(**dict(in_channels=[3, 5], in_strides=[1, 2], num_classes=3) | changes)
