"""The refinement starts as the identity, on top of any head that gives one map of logits."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

import plugins.heads.deep_supervision_head
import plugins.heads.unet_head
import plugins.losses.focal_dice_boundary  # noqa: F401
from plugins.heads.boundary_refinement_head import ResidualRefinement
from plugins.hooks.paired_arms import initialise_by_name

BN = dict(type='BN')
COMMON = dict(num_classes=3, norm_cfg=BN)
# mmseg's heads on a pyramid of 8, 16, 32, 64 channels.
LAST = dict(in_channels=64, in_index=3, channels=8, **COMMON)
ALL = dict(in_channels=[8, 16, 32, 64], in_index=[0, 1, 2, 3], channels=8, **COMMON)
HEADS = dict(
    fcn=dict(type='FCNHead', num_convs=1, **LAST),
    psp=dict(type='PSPHead', pool_scales=(1, 2), **LAST),
    aspp=dict(type='DepthwiseSeparableASPPHead', dilations=(1, 2), c1_in_channels=8, c1_channels=4, **LAST),
    uper=dict(type='UPerHead', pool_scales=(1, 2), **ALL),
    segformer=dict(type='SegformerHead', **ALL),
    unet=dict(type='UNetHead', in_channels=[8, 16, 32, 64], in_strides=[4, 8, 16, 32], channels_per_stride=1, **COMMON),
    enc=dict(
        type='EncHead',
        num_codes=4,
        use_se_loss=True,
        add_lateral=False,
        **LAST | dict(in_channels=[32, 64], in_index=[2, 3]),
    ),
)


def wrapped(head, **settings):
    return dict(type='BoundaryRefinementHead', head=head, refinement_channels=4, refinement_depth=2) | settings


def share_weights(plain, refining):
    """Give the inner head and the backbone the weights of the plain segmentor."""
    own = refining.state_dict()
    own.update({name.replace('decode_head.', 'decode_head.head.'): value for name, value in plain.state_dict().items()})
    refining.load_state_dict(own)


@pytest.mark.parametrize('name', HEADS)
def test_any_head_is_refined_and_the_start_is_the_identity(name, resnet, build, step, predict):
    plain, refining = build(resnet[0], HEADS[name]), build(resnet[0], wrapped(HEADS[name]))
    share_weights(plain, refining)
    assert torch.equal(predict(refining), predict(plain))
    if name != 'enc':  # mmseg's own gives a pair there
        images = torch.randn(1, 3, 64, 64)
        assert torch.equal(refining(images), plain(images))
    losses, expected = step(refining), step(plain)
    assert losses['decode.coarse.loss_ce'] == losses['decode.loss_ce'] == expected['decode.loss_ce'] > 0
    total, plain_total = refining.parse_losses(losses)[0], plain.parse_losses(expected)[0]
    torch.testing.assert_close(total, plain_total + expected['decode.loss_ce'])


def test_paired_arms_start_equal(resnet):
    """So an arm with the refinement starts with the very predictions of the arm without."""
    starts = []
    for head in (HEADS['fcn'], wrapped(HEADS['fcn'])):
        config = ConfigDict(
            type='EncoderDecoder', backbone=resnet[0], decode_head=head, train_cfg={}, test_cfg=dict(mode='whole')
        )
        model = MODELS.build(copy.deepcopy(config))
        initialise_by_name(model, config, seed=3)
        starts.append(model.eval())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(starts[0](images), starts[1](images))


def test_after_a_step_gradients_reach_every_parameter(resnet, build, step, predict):
    model = build(resnet[0], wrapped(HEADS['fcn']))
    before = predict(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        step(model)
        optimizer.step()
    assert all((parameter.grad != 0).any() for parameter in model.decode_head.parameters())
    assert not torch.allclose(predict(model), before)
    head = model.decode_head
    levels = model.backbone(torch.randn(1, 3, 64, 64))
    coarse = head.head(levels)
    assert torch.equal(head(levels), coarse + head.refinement(coarse)) and not torch.equal(head(levels), coarse)


def test_is_the_papers_module_by_hand():
    torch.manual_seed(0)
    refinement = ResidualRefinement(2, channels=3, depth=2, norm_cfg=None).double()
    torch.nn.init.normal_(refinement.last.weight)
    logits = torch.randn(1, 2, 7, 5).double()

    def conv(features, module):
        return F.relu(F.conv2d(features, module.conv.weight, module.conv.bias, padding=1))

    def up(features, level, module):
        enlarged = F.interpolate(features, level.shape[2:], mode='bilinear')
        return conv(torch.cat([level, enlarged], 1), module)

    one = conv(conv(logits, refinement.first), refinement.down[0])
    two = conv(F.max_pool2d(one, 2, ceil_mode=True), refinement.down[1])
    bottom = conv(F.max_pool2d(two, 2, ceil_mode=True), refinement.bottom)
    assert bottom.shape[2:] == (2, 2)
    decoded = up(up(bottom, two, refinement.up[0]), one, refinement.up[1])
    expected = F.conv2d(decoded, refinement.last.weight, refinement.last.bias, padding=1)
    torch.testing.assert_close(refinement(logits), expected)


def test_width_and_depth():
    def size(channels, depth):
        return sum(parameter.numel() for parameter in ResidualRefinement(1, channels, depth, BN).parameters())

    def formula(c, d):  # 3×3 convolutions without bias, and 2 parameters per channel of each normalisation
        return 9 * c + (d + 1) * 9 * c * c + d * 18 * c * c + (2 * d + 2) * 2 * c + 9 * c + 1

    assert size(4, 2) == formula(4, 2) and size(64, 4) == formula(64, 4)


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (13, 8)])
def test_any_size_of_logits(size):
    refinement = ResidualRefinement(2, channels=3, depth=4, norm_cfg=BN).eval()
    assert refinement(torch.randn(2, 2, *size)).shape == (2, 2, *size)


def test_binary_output(resnet, build, step, predict):
    inner = dict(
        HEADS['fcn'],
        num_classes=2,
        out_channels=1,
        threshold=0.4,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
    )
    model = build(resnet[0], wrapped(inner))
    assert (model.out_channels, model.num_classes, model.decode_head.threshold) == (1, 2, 0.4)
    losses = step(model, classes=2)
    assert losses['decode.loss_ce'] == losses['decode.coarse.loss_ce'] > 0
    assert predict(model, classes=2).shape == (2, 1, 65, 47)


def test_stands_last_in_a_cascade(resnet, build, step, predict):
    inner = dict(type='OCRHead', ocr_channels=4, **LAST)
    cascade = dict(type='CascadeEncoderDecoder', num_stages=2)
    plain = build(resnet[0], [HEADS['fcn'], inner], **cascade)
    refining = build(resnet[0], [HEADS['fcn'], wrapped(inner)], **cascade)
    own = refining.state_dict()
    own.update(
        {name.replace('decode_head.1.', 'decode_head.1.head.'): value for name, value in plain.state_dict().items()}
    )
    refining.load_state_dict(own)
    assert torch.equal(predict(refining), predict(plain))
    losses, expected = step(refining), step(plain)
    assert losses['decode_1.loss_ce'] == losses['decode_1.coarse.loss_ce'] == expected['decode_1.loss_ce']


def test_both_maps_get_the_inner_heads_losses_sampler_and_labels_to_ignore(resnet, build, ground_truth):
    inner = dict(
        HEADS['fcn'],
        ignore_index=1,
        align_corners=True,
        sampler=dict(type='OHEMPixelSampler', min_kept=50),
        loss_decode=[
            dict(type='CrossEntropyLoss'),
            dict(type='CrossEntropyLoss', loss_weight=0.5, loss_name='loss_half'),
        ],
    )
    model = build(resnet[0], wrapped(inner))
    head = model.decode_head.eval()
    torch.nn.init.normal_(head.refinement.last.weight)
    assert head.ignore_index == 1 and model.align_corners and head.sampler is head.head.sampler is not None
    levels = [torch.randn(2, 8 << n, 16 >> n, 16 >> n) for n in range(4)]
    batch = ground_truth(2, (64, 64))
    for sample in batch:  # 255 would be a class here
        sample.gt_sem_seg.data[sample.gt_sem_seg.data == 255] = 1
    losses = head.loss(levels, batch, {})
    for prefix, logits in (('coarse.', head.head(levels)), ('', head(levels))):
        expected = head.head.loss_by_feat(logits, batch)
        assert {f'{prefix}{name}' for name in expected} <= set(losses) and len(losses) == 2 * len(expected)
        assert all(torch.equal(losses[f'{prefix}{name}'], value) for name, value in expected.items())
    assert losses['loss_half'] != losses['coarse.loss_half'] > 0


@pytest.mark.parametrize('several', [False, True])
def test_a_loss_that_counts_training_calls_counts_one_a_step(resnet, build, step, several):
    ramp = dict(type='FocalDiceBoundaryLoss', boundary_weight=1.0, boundary_ramp=4)
    model = build(
        resnet[0], wrapped(dict(HEADS['fcn'], loss_decode=[dict(type='CrossEntropyLoss'), ramp] if several else ramp))
    )
    losses = model.decode_head.loss_decode
    counting = losses[1] if several else losses
    for done in range(3):
        assert counting.calls == done
        found = step(model)
        assert all(module.training for module in losses.modules())
        # the boundary term is ramped up alike for both maps, which are equal at first
        assert found['decode.coarse.loss_focal_dice_boundary'] == found['decode.loss_focal_dice_boundary']
    assert counting.calls == 3


def test_initialising_leaves_the_residual_at_zero_and_reaches_the_inner_head():
    head = MODELS.build(wrapped(HEADS['fcn']))
    head.init_weights()
    assert (head.refinement.last.weight == 0).all() and (head.refinement.last.bias == 0).all()
    assert 0.001 < head.head.conv_seg.weight.std() < 0.03


@pytest.mark.parametrize(
    'head, message',
    [
        (dict(type='PointHead', in_channels=[8], in_index=[0], channels=4, num_classes=3), 'PointHead has a `loss`'),
        (
            dict(
                type='DDRHead',
                in_channels=8,
                channels=4,
                num_classes=3,
                loss_decode=[dict(type='CrossEntropyLoss'), dict(type='CrossEntropyLoss')],
            ),
            'DDRHead has a `loss_by_feat`',
        ),
        (
            dict(type='DeepSupervisionHead', in_channels=[8], in_strides=[4], num_classes=3),
            'DeepSupervisionHead has a `predict`|DeepSupervisionHead has a `loss_by_feat`',
        ),
        (dict(type='Mask2FormerHead'), 'Mask2FormerHead is none'),
    ],
)
def test_heads_that_predict_in_their_own_way_are_refused_by_name(head, message):
    with pytest.raises(TypeError, match=message):
        MODELS.build(wrapped(head))


@pytest.mark.parametrize('settings', [dict(refinement_channels=0), dict(refinement_depth=0)])
def test_no_width_or_depth_is_refused(settings):
    with pytest.raises(ValueError, match='at least 1'):
        MODELS.build(wrapped(HEADS['fcn'], **settings))


@pytest.mark.slow
def test_captured_as_one_graph_under_autocast_pickled_and_copied(resnet, build):
    model = build(resnet[0], wrapped(HEADS['fcn'])).eval()
    head = model.decode_head
    torch.nn.init.normal_(head.refinement.last.weight)
    levels = model.backbone(torch.randn(1, 3, 65, 47))
    torch.testing.assert_close(torch.compile(head, backend='aot_eager', fullgraph=True)(levels), head(levels))
    for twin in (pickle.loads(pickle.dumps(head)), copy.deepcopy(head)):
        assert torch.equal(twin(levels), head(levels))
        assert twin.loss_decode is twin.head.loss_decode is not head.loss_decode
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logits = head(levels)
    torch.testing.assert_close(logits.float(), head(levels), atol=0.1, rtol=0.1)
