"""The U-Net decoder takes the pyramid of any backbone."""

import itertools
import pickle

import pytest
import torch
import torch.nn.functional as F

from plugins.heads.unet_head import UNetHead, fine_to_coarse

SETTINGS = dict(num_classes=3, channels_per_stride=2, num_convs=1)


def head_for(channels, strides, **settings):
    return dict(type='UNetHead', in_channels=channels, in_strides=strides, **SETTINGS | settings)


@pytest.mark.parametrize('gated', [False, True], ids=['plain', 'gated'])
def test_any_backbone_trains_and_predicts_at_odd_sizes(backbone, build, step, predict, gated):
    config, channels, strides, size = backbone
    model = build(config, head_for(channels, strides, attention_gates=gated))
    losses = step(model, size)
    assert losses['decode.loss_ce'].isfinite()
    assert all((parameter.grad != 0).any() for parameter in model.decode_head.parameters())
    reaching = [name for name, parameter in model.backbone.named_parameters() if parameter.grad is not None]
    assert reaching
    logits = predict(model, size)
    assert logits.shape == (2, 3, *size) and logits.isfinite().all()
    levels = model.backbone(torch.randn(1, 3, *size))
    sizes = [(level[0] if isinstance(level, (list, tuple)) else level).shape[2:] for level in levels]
    assert model(torch.randn(1, 3, *size)).shape[2:] == max(sizes)


@pytest.mark.parametrize(
    'strides, order',
    [
        ([4, 8, 16, 32], [0, 1, 2, 3]),
        ([8, 4, 2, 1], [3, 2, 1, 0]),
        ([4, 8, 8, 8], [0, 1, 2, 3]),
        ([16, 16], [0, 1]),
        ([8, 8, 4], [2, 1, 0]),
        ([8, 32, 8], [0, 2, 1]),
        ([32, 4, 16, 8], [1, 3, 2, 0]),
        ([2], [0]),
    ],
)
def test_levels_are_ordered_by_stride(strides, order):
    assert fine_to_coarse(strides) == order


def test_is_a_unet_by_hand():
    """Two steps of three levels, recomputed from the head's own weights."""
    torch.manual_seed(0)
    head = UNetHead(
        [3, 5, 7], [1, 2, 4], num_classes=2, channels_per_stride=2, num_convs=2, norm_cfg=None, dropout_ratio=0
    ).double()
    fine, middle, coarse = (
        torch.randn(1, channels, side, side + 1).double() for channels, side in ((3, 9), (5, 5), (7, 3))
    )

    def up(features, skip, step):
        joined = torch.cat([skip, F.interpolate(features, skip.shape[2:], mode='bilinear')], 1)
        for conv in step.convs:
            joined = F.relu(F.conv2d(joined, conv.conv.weight, conv.conv.bias, padding=1))
        return joined

    expected = head.conv_seg(up(up(coarse, middle, head.steps[1]), fine, head.steps[0]))
    torch.testing.assert_close(head([fine, middle, coarse]), expected)
    assert [step.convs[0].conv.out_channels for step in head.steps] == [2, 4]


def test_gates_weigh_the_skips_by_what_was_decoded_below():
    torch.manual_seed(0)
    head = UNetHead([3, 5, 7], [1, 2, 4], attention_gates=True, dropout_ratio=0, **SETTINGS).eval()
    plain = UNetHead([3, 5, 7], [1, 2, 4], dropout_ratio=0, **SETTINGS).eval()
    gates = {name for name in head.state_dict() if '.gate.' in name}
    assert set(head.state_dict()) - gates == set(plain.state_dict())
    plain.load_state_dict({name: value for name, value in head.state_dict().items() if name not in gates})
    levels = [torch.randn(1, channels, side, side) for channels, side in ((3, 8), (5, 4), (7, 2))]
    assert not torch.allclose(head(levels), plain(levels))
    for step in head.steps:
        step.gate.score.bias.data.fill_(50.0)
        step.gate.score.weight.data.zero_()
    torch.testing.assert_close(head(levels), plain(levels))
    seen = []
    for step in head.steps:
        step.gate.register_forward_hook(lambda gate, inputs, output: seen.append([tuple(x.shape[1:]) for x in inputs]))
    head(levels)
    assert seen == [[(5, 4, 4), (7, 2, 2)], [(3, 8, 8), (4, 4, 4)]]


def test_the_order_in_which_levels_are_given_does_not_matter():
    channels, strides = [3, 5, 7], [1, 2, 4]
    levels = [torch.randn(1, width, 8 // stride, 8 // stride) for width, stride in zip(channels, strides)]
    results = []
    for order in itertools.permutations(range(3)):
        torch.manual_seed(0)
        head = UNetHead([channels[n] for n in order], [strides[n] for n in order], **SETTINGS).eval()
        results.append(head([levels[n] for n in order]))
    assert all(torch.equal(result, results[0]) for result in results)


def test_selected_levels_and_width():
    head = UNetHead([5, 7], [2, 4], in_index=[1, 2], channels_per_stride=3, max_channels=7, num_classes=3)
    assert head.channels == 6 and head.conv_seg.in_channels == 6
    levels = [torch.randn(1, width, side, side) for width, side in ((3, 8), (5, 4), (7, 2))]
    assert head.eval()(levels).shape == (1, 3, 4, 4)
    wide = UNetHead([5, 7], [4, 8], channels_per_stride=3, max_channels=7, num_classes=3)
    assert wide.channels == 7


def test_binary_output(resnet, build, step, predict):
    config, channels, strides = resnet
    model = build(
        config,
        head_for(
            channels,
            strides,
            num_classes=2,
            out_channels=1,
            threshold=0.4,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
        ),
    )
    assert step(model, classes=2)['decode.loss_ce'].isfinite()
    assert predict(model, classes=2).shape[1] == 1


def test_stands_last_in_a_cascade(resnet, build, step, predict):
    config, channels, strides = resnet
    first = dict(type='FCNHead', in_channels=channels[-1], in_index=3, channels=4, num_convs=1, num_classes=3)
    model = build(config, [first, head_for(channels, strides)], type='CascadeEncoderDecoder', num_stages=2)
    losses = step(model)
    assert {'decode_0.loss_ce', 'decode_1.loss_ce'} <= set(losses)
    assert predict(model).shape == (2, 3, 65, 47)
    assert model(torch.randn(1, 3, 64, 32)).shape == (1, 3, 16, 8)


@pytest.mark.slow
def test_captured_as_one_graph_and_under_autocast():
    torch.manual_seed(0)
    head = UNetHead([3, 5, 7], [1, 2, 4], attention_gates=True, **SETTINGS).eval()
    levels = [torch.randn(1, channels, side, side + 1) for channels, side in ((3, 9), (5, 5), (7, 3))]
    captured = torch.compile(head, backend='aot_eager', fullgraph=True)(levels)
    torch.testing.assert_close(captured, head(levels))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logits = head(levels)
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), head(levels), atol=0.05, rtol=0.1)


def test_survives_pickling_and_a_state_dict():
    head, other = (UNetHead([3, 5], [1, 2], attention_gates=True, **SETTINGS).eval() for _ in range(2))
    levels = [torch.randn(1, 3, 8, 8), torch.randn(1, 5, 4, 4)]
    assert not torch.equal(head(levels), other(levels))
    other.load_state_dict(head.state_dict())
    for twin in (other, pickle.loads(pickle.dumps(head))):
        assert torch.equal(twin(levels), head(levels))


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(in_strides=[1, 2]), 'give each level'),
        (dict(in_index=[0]), 'give each level'),
        (dict(in_channels=[], in_strides=[]), 'give a list of at least one whole number'),
        (dict(in_strides=[1, 2, 0]), 'at least 1'),
        (dict(num_convs=0), 'at least 1'),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        UNetHead(**dict(in_channels=[3, 5, 7], in_strides=[1, 2, 4], num_classes=3) | changes)


def test_a_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match='attention_gate'):
        UNetHead([3], [1], num_classes=3, attention_gate=True)
