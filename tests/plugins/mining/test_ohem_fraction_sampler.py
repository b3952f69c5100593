"""The hardest pixels are kept, whatever loss they are kept for."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import TASK_UTILS
from mmseg.structures import SegDataSample

import plugins.losses.boundary
import plugins.losses.focal_dice_boundary
import plugins.losses.focal_sigmoid  # noqa: F401
from plugins.mining.ohem_fraction_sampler import OHEMFractionSampler, hardest_pixels

LOSSES = {
    'cross_entropy': dict(type='CrossEntropyLoss'),
    'cross_entropy_valid': dict(type='CrossEntropyLoss', avg_non_ignore=True),
    'focal': dict(type='SoftmaxFocalLoss'),
    'focal_sigmoid': dict(type='OneVsAllFocalLoss', alpha=0.3),
    'tversky': dict(type='GeneralTverskyLoss', alpha=0.2, beta=0.9),
    'dice': dict(type='SoftDiceLoss', over='sample'),
    'boundary': dict(type='KervadecBoundaryLoss'),
    'weighted_ce': dict(type='BoundaryWeightedCrossEntropyLoss'),
    'preset': dict(type='FocalDiceBoundaryLoss', boundary_ramp=3),
}
SAMPLERS = {
    'ours': dict(type='OHEMFractionSampler', fraction=0.3),
    'ours_with_thresh': dict(type='OHEMFractionSampler', fraction=0.1, thresh=0.4),
    'mmseg_with_thresh': dict(type='OHEMPixelSampler', thresh=0.4, min_kept=5),
}


@pytest.fixture
def batch():
    """logits (2, 3, 6, 8) and target (2, 6, 8) with void pixels, more of them in the second image."""
    generator = torch.Generator().manual_seed(7)
    logits = 2 * torch.randn(2, 3, 6, 8, generator=generator)
    target = torch.randint(0, 3, (2, 6, 8), generator=generator)
    target[0, :1] = 255
    target[1, 3:] = 255
    return logits, target


def head_with(sampler, loss):
    return FCNHead(
        in_channels=3,
        channels=3,
        num_classes=3,
        num_convs=0,
        concat_input=False,
        sampler=dict(sampler),
        loss_decode=dict(loss),
    )


def samples_of(target):
    return [SegDataSample(gt_sem_seg=PixelData(data=labels[None])) for labels in target]


def true_probability(logits, target):
    return logits.softmax(1).gather(1, target.clamp(max=2).unsqueeze(1)).squeeze(1)


@pytest.mark.parametrize('fraction', [0.1, 0.25, 0.6, 1.0])
def test_keeps_the_share_of_each_image_that_is_hardest(batch, fraction):
    logits, target = batch
    kept, valid = hardest_pixels(logits, target, fraction=fraction), target != 255
    for n in (0, 1):
        wanted = round(fraction * int(valid[n].sum()))
        by_hand = sorted(true_probability(logits, target)[n][valid[n]].tolist())[:wanted]
        assert sorted(true_probability(logits, target)[n][kept[n]].tolist()) == by_hand
    assert not (kept & ~valid).any()


def test_a_drawn_picture():
    p = torch.tensor([[[0.9, 0.2, 0.6, 0.8], [0.3, 0.5, 0.7, 0.1]]])
    logits = torch.log(torch.stack([p, 1 - p], dim=1))
    target = torch.tensor([[[0, 0, 0, 0], [0, 255, 1, 1]]])  # of the true class: .9 .2 .6 .8 / .3 void .3 .9
    assert hardest_pixels(logits, target, fraction=1 / 7).int().tolist() == [[[0, 1, 0, 0], [0, 0, 0, 0]]]
    assert hardest_pixels(logits, target, fraction=2 / 7, thresh=0.7).int().tolist() == [[[0, 1, 1, 0], [1, 0, 1, 0]]]
    assert hardest_pixels(logits, target, fraction=5 / 7, thresh=0.4).int().tolist() == [[[0, 1, 1, 1], [1, 0, 1, 0]]]


def test_of_equally_hard_pixels_exactly_the_share_is_kept():
    kept = hardest_pixels(torch.zeros(1, 2, 4, 5), torch.zeros(1, 4, 5).long(), fraction=0.3)
    assert kept.flatten().tolist() == [True] * 6 + [False] * 14


def test_an_image_does_not_depend_on_its_batch(batch):
    logits, target = batch
    alone = [hardest_pixels(logits[n : n + 1], target[n : n + 1], fraction=0.3, thresh=0.2) for n in (0, 1)]
    assert torch.equal(hardest_pixels(logits, target, fraction=0.3, thresh=0.2), torch.cat(alone))


def test_a_small_share_is_one_pixel_and_void_images_have_none(batch):
    logits, target = batch
    kept = hardest_pixels(logits, torch.stack([target[0], torch.full_like(target[0], 255)]), fraction=1e-6)
    assert kept.flatten(1).sum(1).tolist() == [1, 0]


def test_extreme_and_half_precision_logits(batch):
    logits, target = batch
    for dtype in (torch.float16, torch.bfloat16):
        kept = hardest_pixels((logits.sign() * 1e4).to(dtype), target, fraction=0.25)
        assert kept.flatten(1).sum(1).tolist() == [10, 6]


def test_one_sigmoid_channel(batch):
    z, target = batch[0][:, :1], batch[1].clamp(max=1).masked_fill(batch[1] == 255, 255)
    two = torch.cat([torch.zeros_like(z), z], dim=1)
    assert torch.equal(hardest_pixels(z, target, thresh=0.3), hardest_pixels(two, target, thresh=0.3))


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(fraction=0.0), 'fraction=0.0'),
        (dict(fraction=1.5), 'fraction=1.5'),
        (dict(thresh=0.0), 'thresh=0.0'),
        (dict(thresh=70), 'thresh=70'),
    ],
)
def test_refuses_bad_parameters(batch, bad, message):
    with pytest.raises(ValueError, match=message):
        hardest_pixels(*batch, **bad)
    with pytest.raises(ValueError, match=message):
        head_with(dict(SAMPLERS['ours'], **bad), LOSSES['focal'])


@pytest.mark.parametrize('sampler', SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize('loss', LOSSES.values(), ids=LOSSES)
def test_easy_pixels_have_no_part_in_any_loss(batch, sampler, loss):
    logits, target = batch
    head = head_with(sampler, loss).eval()
    leaf = logits.clone().requires_grad_()
    value = head.loss_by_feat(leaf, samples_of(target))[head.loss_decode.loss_name]
    value.backward()
    kept = head.sampler.sample(logits, target.unsqueeze(1)).bool()
    assert 0 < kept.sum() < (target != 255).sum()
    assert (leaf.grad.abs().sum(1)[~kept] == 0).all()
    assert (leaf.grad.abs().sum(1)[kept] > 0).float().mean() > 0.9  # a boundary map may be 0 for all classes
    easier = logits + 3 * ~kept.unsqueeze(1) * F.one_hot(target.clamp(max=2), 3).movedim(-1, 1)
    assert torch.equal(head.loss_by_feat(easier, samples_of(target))[head.loss_decode.loss_name], value)


@pytest.mark.parametrize('name', ['cross_entropy_valid', 'focal', 'tversky', 'dice'])
def test_easy_pixels_are_as_void(batch, name):
    logits, target = batch
    head = head_with(SAMPLERS['ours'], LOSSES[name])
    kept = head.sampler.sample(logits, target.unsqueeze(1)).bool()
    hard_only = head.loss_decode(logits, target.masked_fill(~kept, 255), ignore_index=255)
    found = head.loss_by_feat(logits, samples_of(target))[head.loss_decode.loss_name]
    torch.testing.assert_close(found, hard_only)


def test_weights_make_up_for_the_pixels_that_are_left_out(batch):
    logits, target = batch  # 40 and 24 valid pixels
    for dtype in (torch.float16, torch.float32):
        weight = head_with(SAMPLERS['ours'], LOSSES['focal']).sampler.sample(logits.to(dtype), target.unsqueeze(1))
        assert weight.dtype == torch.float32 and weight.unique().tolist() == [0, torch.tensor(64 / (12 + 7))]
    weight = head_with(SAMPLERS['ours'], LOSSES['focal']).sampler.sample(logits, torch.full_like(target, 255))
    assert (weight == 0).all()


@pytest.mark.parametrize(
    'loss, share',
    [
        (LOSSES['cross_entropy_valid'], 1),
        (dict(LOSSES['focal'], gamma=0.0), 1),
        (LOSSES['cross_entropy'], 64 / 96),  # which divides by void pixels as well, with a sampler or without
    ],
    ids=['mmseg, of valid pixels', 'ours', 'mmseg'],
)
def test_any_cross_entropy_is_the_mean_over_the_kept_pixels(batch, loss, share):
    logits, target = batch
    head = head_with(SAMPLERS['ours_with_thresh'], loss)
    kept = hardest_pixels(logits, target, fraction=0.1, thresh=0.4)
    by_hand = F.cross_entropy(logits, target, ignore_index=255, reduction='none')[kept].mean()
    found = head.loss_by_feat(logits, samples_of(target))[head.loss_decode.loss_name]
    torch.testing.assert_close(found, share * by_hand)


def test_one_sigmoid_channel_of_mmsegs_cross_entropy(batch):
    z, target = batch[0][:, :1], batch[1].clamp(max=1).masked_fill(batch[1] == 255, 255)
    head = FCNHead(
        in_channels=3,
        channels=3,
        num_classes=2,
        out_channels=1,
        num_convs=0,
        concat_input=False,
        threshold=0.5,
        sampler=dict(SAMPLERS['ours']),
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True),
    )
    kept = hardest_pixels(z, target, fraction=0.3)
    by_hand = F.binary_cross_entropy_with_logits(z[:, 0], target.float(), reduction='none')[kept].mean()
    torch.testing.assert_close(head.loss_by_feat(z, samples_of(target))['loss_ce'], by_hand)


@pytest.mark.parametrize('name', ['cross_entropy', 'focal', 'focal_sigmoid'])
def test_weighted_values_per_pixel_rank_as_without(batch, name):
    logits, target = batch
    head = head_with(SAMPLERS['ours'], LOSSES[name])
    weight = head.sampler.sample(logits, target.unsqueeze(1))
    kept = weight > 0
    plain, weighted = (
        head.loss_decode(logits, target, weight=given, ignore_index=255, reduction_override='none')
        for given in (None, weight)
    )
    assert (weighted[~kept] == 0).all()
    assert torch.equal(weighted[kept].argsort(), plain[kept].argsort())


def test_counts_the_batches_that_it_thinned(batch):
    logits, target = batch
    sampler = TASK_UTILS.build(dict(SAMPLERS['ours'], context=head_with(SAMPLERS['ours'], LOSSES['focal'])))
    assert sampler.acted == 0
    sampler.sample(logits, target.unsqueeze(1))
    sampler.sample(logits, target.unsqueeze(1))
    assert sampler.acted == 2
    sampler.fraction = 1.0
    sampler.sample(logits, target.unsqueeze(1))
    sampler.sample(logits, torch.full_like(target, 255).unsqueeze(1))
    assert sampler.acted == 2


def test_is_a_part_of_the_head_that_leaves_its_checkpoint_alone(batch):
    head = head_with(SAMPLERS['ours'], LOSSES['focal'])
    assert isinstance(head.sampler, OHEMFractionSampler) and head.sampler in list(head.modules())
    assert not [name for name in head.state_dict() if name.startswith('sampler')]
    again = pickle.loads(pickle.dumps(head))
    assert torch.equal(
        again.sampler.sample(batch[0], batch[1].unsqueeze(1)), head.sampler.sample(batch[0], batch[1].unsqueeze(1))
    )


def test_another_void_label_and_none(batch):
    logits, target = batch
    head = head_with(SAMPLERS['ours'], LOSSES['focal'])
    expected = head.sampler.sample(logits, target.unsqueeze(1))
    head.sampler.ignore_index = 7
    assert torch.equal(head.sampler.sample(logits, target.masked_fill(target == 255, 7).unsqueeze(1)), expected)
    head.sampler.ignore_index = None
    assert head.sampler.sample(logits, target.clamp(max=2).unsqueeze(1)).count_nonzero() == 2 * round(0.3 * 48)


def test_compiled_equals_eager(batch):
    logits, target = batch
    sampler = head_with(SAMPLERS['ours_with_thresh'], LOSSES['focal']).sampler
    expected = sampler.sample(logits, target.unsqueeze(1))
    compiled = torch.compile(sampler.sample, backend='aot_eager', fullgraph=True)
    assert torch.equal(compiled(logits, target.unsqueeze(1)), expected)
    assert sampler.acted == 2
