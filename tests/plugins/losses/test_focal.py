import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from plugins.losses.focal import SoftmaxFocalLoss, focal_loss


def recomputed(logits, target, gamma, factors, weight=None):
    """Pixel by pixel, in float64, as the formula reads."""
    logits, target = logits.numpy(), target.numpy()
    total = below = 0.0
    for n, i, j in np.ndindex(*target.shape):
        label = target[n, i, j]
        if label == 255:
            continue
        exps = np.exp(logits[n, :, i, j])
        p = exps[label] / exps.sum()
        w = 1.0 if weight is None else float(weight[n, i, j])
        total += w * -factors[label] * (1 - p) ** gamma * np.log(p)
        below += w
    return total / below


@pytest.mark.parametrize('gamma', [0.5, 1.0, 2.0, 3.5])
def test_equals_the_formula(batch, gamma):
    assert float(focal_loss(*batch, gamma=gamma)) == pytest.approx(recomputed(*batch, gamma, [1, 1, 1]), rel=1e-12)


def test_equals_the_formula_with_class_factors_and_pixel_weights(batch, pixel_weight):
    ours = focal_loss(*batch, gamma=1.5, alpha=[0.2, 0.7, 1.3], weight=pixel_weight)
    assert float(ours) == pytest.approx(recomputed(*batch, 1.5, [0.2, 0.7, 1.3], pixel_weight), rel=1e-12)


def test_scalar_alpha_weighs_foreground_and_its_complement_the_background(batch):
    assert torch.allclose(focal_loss(*batch, alpha=0.3), focal_loss(*batch, alpha=[0.7, 0.3, 0.3]))


def test_gamma_zero_is_cross_entropy(batch):
    assert torch.allclose(focal_loss(*batch, gamma=0.0), F.cross_entropy(*batch, ignore_index=255))


def test_class_weights_are_those_of_cross_entropy(batch):
    classes = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64)
    assert torch.allclose(
        focal_loss(*batch, gamma=0.0, class_weight=classes), F.cross_entropy(*batch, weight=classes, ignore_index=255)
    )
    labels = batch[1].clamp(max=2)
    assert torch.allclose(focal_loss(*batch, class_weight=classes), focal_loss(*batch, weight=classes[labels]))


def test_hand_computed_two_by_two():
    # p of the true class: 1/2, 1/4, 3/4, void
    logits = torch.log(torch.tensor([[[[0.5, 0.75], [0.75, 0.9]], [[0.5, 0.25], [0.25, 0.1]]]], dtype=torch.float64))
    target = torch.tensor([[[1, 1], [0, 255]]])
    expected = (0.25 * math.log(2) + 0.5625 * math.log(4) + 0.0625 * math.log(4 / 3)) / 3
    assert float(focal_loss(logits, target)) == pytest.approx(expected, rel=1e-12)


def test_reductions_agree(batch, pixel_weight):
    each = focal_loss(*batch, weight=pixel_weight, reduction='none')
    assert each.shape == batch[1].shape
    assert (each[batch[1] == 255] == 0).all() and (each[batch[1] != 255] >= 0).all()
    assert torch.allclose(each.sum(), focal_loss(*batch, weight=pixel_weight, reduction='sum'))
    valid_weight = pixel_weight[batch[1] != 255].sum()
    assert torch.allclose(each.sum() / valid_weight, focal_loss(*batch, weight=pixel_weight))


def test_a_pixel_of_weight_zero_is_as_void(batch):
    logits, target = batch
    chosen = target == 2
    as_void = focal_loss(logits, target.masked_fill(chosen, 255))
    assert torch.allclose(focal_loss(logits, target, weight=(~chosen).double()), as_void)


def test_larger_gamma_cares_less_for_easy_pixels():
    easy, hard = torch.tensor([[[[3.0]], [[0.0]]]]), torch.tensor([[[[-3.0]], [[0.0]]]])
    target = torch.zeros(1, 1, 1, dtype=torch.long)
    share = [float(focal_loss(easy, target, gamma=g) / focal_loss(hard, target, gamma=g)) for g in (0.0, 1.0, 2.0)]
    assert share[0] > share[1] > share[2]


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(gamma=-1.0), 'gamma=-1.0'),
        (dict(alpha=1.5), 'alpha=1.5'),
        (dict(alpha=[1.0, 2.0]), '2 class weights for 3 classes'),
        (dict(alpha=[1.0, -2.0, 1.0]), 'non-negative'),
        (dict(reduction='avg'), "reduction='avg'"),
    ],
)
def test_refuses_bad_parameters(batch, bad, message):
    with pytest.raises(ValueError, match=message):
        focal_loss(*batch, **bad)


@pytest.mark.parametrize('alpha', [None, 0.25, [0.2, 0.7, 1.3]])
def test_module_equals_function(batch, pixel_weight, alpha):
    module = SoftmaxFocalLoss(gamma=1.5, alpha=alpha, loss_weight=0.5)
    expected = 0.5 * focal_loss(*batch, gamma=1.5, alpha=alpha, weight=pixel_weight)
    assert torch.allclose(module(*batch, weight=pixel_weight), expected)
    assert module(*batch, reduction_override='none').shape == batch[1].shape
    assert not module.state_dict()  # class factors are configuration: a checkpoint of the baseline still loads
