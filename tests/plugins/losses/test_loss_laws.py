"""Laws that every loss of this package obeys."""

import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from plugins.losses.boundary import boundary_loss, boundary_weighted_cross_entropy
from plugins.losses.dice import dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.focal_dice_boundary import focal_dice_boundary_loss
from plugins.losses.focal_sigmoid import sigmoid_focal_loss
from plugins.losses.tversky import tversky_loss

FUNCTIONS = dict(
    focal=focal_loss,
    focal_flat=partial(focal_loss, gamma=0.5, alpha=[0.2, 0.7, 1.3]),
    focal_sigmoid=partial(sigmoid_focal_loss, gamma=1.5, alpha=0.3),
    tversky=partial(tversky_loss, alpha=0.2, beta=0.9),
    tversky_sample=partial(tversky_loss, alpha=0.2, beta=1.4, gamma=1.3, over='sample'),
    focal_tversky=partial(tversky_loss, alpha=0.9, beta=0.3, gamma=0.75),
    dice=dice_loss,
    dice_sample=partial(dice_loss, over='sample'),
    boundary=boundary_loss,
    weighted_ce=partial(boundary_weighted_cross_entropy, w0=3.0, sigma_px=1.5),
    preset=partial(focal_dice_boundary_loss, focal_weight=0.7, dice_weight=1.3, boundary_weight=0.1),
)
PER_PIXEL = ('SoftmaxFocalLoss', 'OneVsAllFocalLoss', 'KervadecBoundaryLoss', 'BoundaryWeightedCrossEntropyLoss')
MODULES = (*PER_PIXEL, 'SoftDiceLoss', 'GeneralTverskyLoss', 'FocalDiceBoundaryLoss')


@pytest.fixture(params=FUNCTIONS.values(), ids=FUNCTIONS.keys())
def loss(request):
    return request.param


@pytest.fixture(params=MODULES)
def module(request):
    return MODELS.build(dict(type=request.param))


def test_gradient_is_that_of_the_value(loss, batch):
    logits, target = batch
    logits = logits[:, :, 1:5, 1:5].clone().requires_grad_()
    assert loss(logits, target[:, 1:5, 1:5]).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: loss(x, target[:, 1:5, 1:5]), [logits])


def test_void_pixels_have_no_gradient_and_all_others_do(loss, batch):
    logits, target = batch
    logits.requires_grad_()
    loss(logits, target).backward()
    void = (target == 255).unsqueeze(1).expand_as(logits)
    assert (logits.grad[void] == 0).all()
    assert (logits.grad.abs().sum(1)[target != 255] > 0).all()


def test_what_is_predicted_at_void_pixels_changes_nothing(loss, batch):
    logits, target = batch
    void = (target == 255).unsqueeze(1).expand_as(logits)
    assert torch.equal(loss(logits, target), loss(logits.masked_fill(void, -50.0), target))


@pytest.mark.parametrize('garbage', [float('inf'), float('-inf'), float('nan')])
def test_not_even_garbage_at_void_pixels_reaches_value_or_gradient(loss, batch, garbage):
    logits, target = batch
    void = (target == 255).unsqueeze(1).expand_as(logits)
    spoilt = logits.masked_fill(void, garbage).requires_grad_()
    value = loss(spoilt, target)
    value.backward()
    assert torch.equal(value, loss(logits, target))
    assert (spoilt.grad[void] == 0).all() and spoilt.grad.isfinite().all()


def test_padding_with_void_changes_nothing(loss, batch):
    logits, target = batch
    padded = loss(F.pad(logits, (3, 1, 0, 2), value=7.0), F.pad(target, (3, 1, 0, 2), value=255))
    assert torch.allclose(padded, loss(logits, target), rtol=1e-12)


def test_an_all_void_batch_is_zero_with_a_gradient(loss, batch):
    logits = batch[0].requires_grad_()
    value = loss(logits, torch.full_like(batch[1], 255))
    value.backward()
    assert value == 0 and (logits.grad == 0).all()


def test_another_void_label_and_none(loss, batch):
    logits, target = batch
    assert torch.equal(loss(logits, target), loss(logits, target.masked_fill(target == 255, -100), ignore_index=-100))
    full = target.masked_fill(target == 255, 0)
    assert torch.equal(loss(logits, full, ignore_index=None), loss(logits, full, ignore_index=255))


def test_order_of_images_and_mirroring_do_not_matter(loss, batch):
    logits, target = batch
    value = loss(logits, target)
    assert torch.allclose(loss(logits.flip(0), target.flip(0)), value, rtol=1e-12)
    assert torch.allclose(loss(logits.flip(-1), target.flip(-1)), value, rtol=1e-12)
    assert torch.allclose(loss(logits.transpose(2, 3), target.transpose(1, 2)), value, rtol=1e-12)


@pytest.mark.parametrize(
    'name', [name for name in FUNCTIONS if name not in ('boundary', 'weighted_ce', 'preset')]
)  # which know where a pixel is
def test_order_of_pixels_does_not_matter(name, batch):
    logits, target = batch
    order = torch.randperm(target[0].numel(), generator=torch.Generator().manual_seed(0))
    shuffled = FUNCTIONS[name](
        logits.flatten(2)[..., order].view_as(logits), target.flatten(1)[..., order].view_as(target)
    )
    assert torch.allclose(shuffled, FUNCTIONS[name](logits, target), rtol=1e-12)


@pytest.mark.parametrize('name', [name for name in FUNCTIONS if name != 'focal_flat'])  # its alpha names classes
def test_names_of_classes_do_not_matter(name, batch):
    logits, target = batch
    order = torch.tensor([2, 0, 1])
    renamed = torch.where(target == 255, target, order.argsort()[target.clamp(max=2)])
    loss = FUNCTIONS[name]
    assert torch.allclose(loss(logits[:, order], renamed), loss(logits, target), rtol=1e-12)


def test_falls_as_the_prediction_improves(loss, batch):
    logits, target = batch
    right = F.one_hot(target.masked_fill(target == 255, 0), 3).permute(0, 3, 1, 2)
    values = [float(loss(logits + step * right, target)) for step in (0.0, 1.0, 2.0, 4.0, 8.0)]
    assert all(better < worse for worse, better in zip(values, values[1:]))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_at_extreme_logits(loss, batch, dtype):
    target = batch[1]
    right = F.one_hot(target.masked_fill(target == 255, 0), 3).permute(0, 3, 1, 2)
    for sign in (1, -1):
        logits = (sign * (2e4 * right - 1e4)).to(dtype).requires_grad_()
        value = loss(logits, target)
        value.backward()
        assert value.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(loss, batch, dtype):
    half = batch[0].to(dtype)
    assert torch.equal(loss(half, batch[1]), loss(half.float(), batch[1]))
    with torch.autocast('cpu', dtype=dtype):
        assert torch.equal(loss(half, batch[1]), loss(half.float(), batch[1]))
        inside = loss(half, batch[1])
    assert inside.dtype == torch.float32 and torch.equal(inside, loss(half, batch[1]))
    exact = loss(half.double(), batch[1])
    assert torch.allclose(inside.double(), exact, rtol=1e-5)


def test_classes_absent_from_the_batch_are_safe(loss, batch):
    logits, target = batch
    logits.requires_grad_()
    value = loss(logits, target.masked_fill(target == 2, 0))
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all()


def test_unsigned_bytes_serve_as_labels(loss, batch):
    assert torch.equal(loss(batch[0], batch[1].byte()), loss(*batch))


def test_input_is_left_as_it_was(loss, batch):
    logits, target = batch[0].clone(), batch[1].clone()
    loss(*batch)
    assert torch.equal(logits, batch[0]) and torch.equal(target, batch[1])


@pytest.mark.parametrize(
    'spoil, error, message',
    [
        (lambda x, t: (x[:, :1], t), ValueError, 'label 2 in the target'),
        (lambda x, t: (x[0], t[0]), ValueError, 'expected \\(N, C, H, W\\)'),
        (lambda x, t: (x, t.unsqueeze(1)), ValueError, 'expected \\(N, H, W\\)'),
        (lambda x, t: (x[..., 1:], t), ValueError, 'expected \\(N, H, W\\)'),
        (lambda x, t: (x, t.float()), TypeError, 'target.long'),
        (lambda x, t: (x, t.masked_fill(t == 2, 7)), ValueError, 'label 7 in the target'),
        (lambda x, t: (x, t.masked_fill(t == 2, -3)), ValueError, 'label -3 in the target'),
    ],
)
def test_refuses_input_that_does_not_fit(loss, batch, spoil, error, message):
    with pytest.raises(error, match=message):
        loss(*spoil(*batch))


def test_modules_take_pixel_weights(module, batch, pixel_weight):
    logits, target = batch
    logits.requires_grad_()
    value = module(logits, target, weight=pixel_weight, ignore_index=255)
    value.backward()
    assert (logits.grad.abs().sum(1)[pixel_weight == 0] == 0).all()
    assert logits.grad.abs().sum() > 0
    assert torch.allclose(module(logits, target, weight=3 * pixel_weight), value)
    assert torch.allclose(module(logits, target, weight=torch.ones_like(pixel_weight)), module(logits, target))
    with pytest.raises(ValueError, match='one weight per pixel'):
        module(logits, target, weight=pixel_weight[0])


@pytest.mark.parametrize('ignore_index', [255, None])
@pytest.mark.parametrize('garbage', [float('inf'), float('nan')])
def test_not_even_garbage_at_pixels_of_weight_0_reaches_value_or_gradient(
    module, batch, pixel_weight, garbage, ignore_index
):
    logits, target = batch
    if ignore_index is None:
        target = target.masked_fill(target == 255, 0)
    dead = (pixel_weight == 0).unsqueeze(1).expand_as(logits)
    spoilt = logits.masked_fill(dead, garbage).requires_grad_()
    value = module(spoilt, target, weight=pixel_weight, ignore_index=ignore_index)
    value.backward()
    assert torch.equal(value, module(logits, target, weight=pixel_weight, ignore_index=ignore_index))
    assert (spoilt.grad[dead] == 0).all() and spoilt.grad.isfinite().all()


@pytest.mark.parametrize('name', ['SoftmaxFocalLoss', 'OneVsAllFocalLoss', 'SoftDiceLoss', 'GeneralTverskyLoss'])
def test_a_weight_of_n_is_the_pixel_n_times(name, batch):
    logits, target = (x.flatten(-2).unsqueeze(-2) for x in batch)
    times = torch.tensor([0, 1, 3]).repeat(14)
    module = MODELS.build(dict(type=name, class_weight=[0.5, 2.0, 1.1]))
    repeated = module(logits.repeat_interleave(times, dim=-1), target.repeat_interleave(times, dim=-1))
    weighted = module(logits, target, weight=times.expand_as(target).double())
    assert torch.allclose(weighted, repeated, rtol=1e-12)


@pytest.mark.parametrize('name', ['SoftDiceLoss', 'GeneralTverskyLoss'])
def test_images_counted_one_by_one_are_the_mean_of_their_own_losses(name, batch, pixel_weight):
    logits, target = torch.cat([batch[0], batch[0][:1]]), torch.cat([batch[1], torch.full_like(batch[1][:1], 255)])
    weight = torch.cat([pixel_weight, pixel_weight[:1]])
    whole = MODELS.build(dict(type=name, class_weight=[0.5, 2.0, 1.1]))
    each = MODELS.build(dict(type=name, class_weight=[0.5, 2.0, 1.1], over='sample'))
    alone = [whole(logits[n : n + 1], target[n : n + 1], weight=weight[n : n + 1]) for n in (0, 1)]
    assert torch.allclose(each(logits, target, weight=weight), sum(alone) / 2)  # the void image does not count
    assert not torch.allclose(whole(logits, target, weight=weight), sum(alone) / 2)
    with pytest.raises(ValueError, match="over='image'"):
        MODELS.build(dict(type=name, over='image'))


@pytest.mark.parametrize('name', PER_PIXEL)
def test_values_per_pixel_are_those_that_the_mean_is_of(name, batch, pixel_weight):
    module = MODELS.build(dict(type=name, class_weight=[0.5, 2.0, 1.1]))
    each = module(*batch, weight=pixel_weight, reduction_override='none')
    assert each.shape == batch[1].shape and (each[batch[1] == 255] == 0).all() and each.abs().sum() > 0
    assert torch.allclose(each.sum(), module(*batch, weight=pixel_weight, reduction_override='sum'))
    plain = module(*batch, reduction_override='none')
    if name in ('OneVsAllFocalLoss', 'KervadecBoundaryLoss'):  # the others weigh the pixels of a class
        assert torch.allclose(each, pixel_weight * plain)
        valid = pixel_weight[batch[1] != 255].sum()
        assert torch.allclose(each.sum() / valid, module(*batch, weight=pixel_weight))


@pytest.mark.parametrize('name', [name for name in MODULES if name not in PER_PIXEL])
def test_a_ratio_of_sums_refuses_to_be_ranked_by_pixel(name, batch):
    module = MODELS.build(dict(type=name))
    assert torch.equal(module(*batch, reduction_override='mean'), module(*batch))
    with pytest.raises(ValueError, match='(?s)ratio of sums.*OHEMFractionSampler'):
        module(*batch, reduction_override='none')


@pytest.mark.parametrize('name', [name for name in MODULES if name != 'OneVsAllFocalLoss'])
def test_one_sigmoid_channel_is_a_softmax_of_two(name, batch):
    logits, target = batch
    target = torch.where(target == 2, 1, target)
    z = logits[:, :1].clone().requires_grad_()
    two = torch.cat([torch.zeros_like(z), z], dim=1)
    module = MODELS.build(dict(type=name, class_weight=[0.3, 1.7]))
    assert torch.equal(module(z, target), module(two, target))
    assert torch.autograd.grad(module(z, target), z)[0].abs().sum() > 0


def test_modules_travel_between_processes(module, batch):
    again = pickle.loads(pickle.dumps(module))
    assert torch.equal(again(*batch), module(*batch))


def test_loss_weight_scales_the_module(module, batch):
    twice = MODELS.build(dict(type=type(module).__name__, loss_weight=2 * module.loss_weight))
    assert torch.allclose(twice(*batch), 2 * module(*batch))


def test_names_reach_the_log_and_the_sum(module):
    assert module.loss_name.startswith('loss_')
    assert MODELS.build(dict(type=type(module).__name__, loss_name='loss_mine')).loss_name == 'loss_mine'
    with pytest.raises(ValueError, match='call it loss_mine'):
        MODELS.build(dict(type=type(module).__name__, loss_name='mine'))


@pytest.mark.parametrize('name', MODULES)
def test_class_weights_are_checked_and_move_the_loss(name, batch):
    with pytest.raises(ValueError, match='non-negative'):
        MODELS.build(dict(type=name, class_weight=[1.0, -1.0, 1.0]))
    with pytest.raises(ValueError, match='2 class weights for 3 classes'):
        MODELS.build(dict(type=name, class_weight=[1.0, 2.0]))(*batch)
    plain, same, other = (
        MODELS.build(dict(type=name, class_weight=weights))(*batch)
        for weights in (None, [2.0, 2.0, 2.0], [1.0, 2.0, 5.0])
    )
    assert torch.allclose(same, plain) and not torch.allclose(other, plain)


def test_one_sigmoid_channel_serves_in_an_mmseg_head(module, batch):
    logits, target = batch
    head = FCNHead(
        in_channels=3,
        channels=3,
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        num_convs=0,
        concat_input=False,
        loss_decode=dict(type=type(module).__name__),
    )
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels[None])) for labels in torch.where(target == 2, 1, target)]
    z = logits[:, :1].float().requires_grad_()
    value = head.loss_by_feat(z, samples)[module.loss_name]
    value.backward()
    assert value.isfinite() and z.grad.abs().sum() > 0


@pytest.mark.parametrize('sampler', [None, dict(type='OHEMPixelSampler', thresh=0.7, min_kept=5)])
def test_serve_in_an_mmseg_head(batch, sampler):
    logits, target = batch
    head = FCNHead(
        in_channels=3,
        channels=3,
        num_classes=3,
        num_convs=0,
        concat_input=False,
        sampler=sampler,
        loss_decode=[dict(type=name) for name in MODULES],
    )
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels[None])) for labels in target]
    losses = head.loss_by_feat(logits.float().requires_grad_(), samples)
    terms = [value for name, value in losses.items() if 'loss' in name]
    assert len(terms) == len(MODULES) - 1  # both focal losses have one name, under which mmseg adds them
    assert all(value.requires_grad and value.isfinite() for value in terms)


def test_ohem_without_a_threshold_ranks_by_the_loss(batch):
    logits, target = batch
    head = FCNHead(
        in_channels=3,
        channels=3,
        num_classes=3,
        num_convs=0,
        concat_input=False,
        sampler=dict(type='OHEMPixelSampler', min_kept=5),
        loss_decode=[*(dict(type=name) for name in PER_PIXEL), dict(type='FocalDiceBoundaryLoss', dice_weight=0.0)],
    )
    kept = head.sampler.sample(logits, target.unsqueeze(1)).bool()
    each = sum(loss(logits, target, reduction_override='none') for loss in head.loss_decode)
    assert int(kept.sum()) == 10
    assert each[kept].min() >= each[~kept & (target != 255)].max()
