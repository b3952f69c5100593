import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from plugins.losses.focal_sigmoid import OneVsAllFocalLoss, sigmoid_focal_loss


def recomputed(logits, target, gamma, alpha, class_weight, weight=None):
    """Pixel by pixel and class by class, in float64, as the formula reads."""
    total = below = 0.0
    for n, i, j in np.ndindex(*target.shape):
        if target[n, i, j] == 255:
            continue
        w = 1.0 if weight is None else float(weight[n, i, j])
        below += w
        for c in range(logits.shape[1]):
            p = 1 / (1 + math.exp(-float(logits[n, c, i, j])))
            own = int(target[n, i, j]) == c
            q, a = (p, alpha[c]) if own else (1 - p, 1 - alpha[c])
            total += w * class_weight[c] / sum(class_weight) * -a * (1 - q) ** gamma * math.log(q)
    return total / below


@pytest.mark.parametrize('gamma', [0.5, 2.0, 3.5])
def test_equals_the_formula(batch, pixel_weight, gamma):
    ours = sigmoid_focal_loss(*batch, gamma=gamma, alpha=[0.1, 0.6, 0.9])
    assert float(ours) == pytest.approx(recomputed(*batch, gamma, [0.1, 0.6, 0.9], [1, 1, 1]), rel=1e-12)
    ours = sigmoid_focal_loss(*batch, gamma=gamma, alpha=0.3, weight=pixel_weight, class_weight=[0.2, 1.0, 3.0])
    assert float(ours) == pytest.approx(recomputed(*batch, gamma, [0.3] * 3, [0.2, 1.0, 3.0], pixel_weight), rel=1e-12)


def test_gamma_zero_is_binary_cross_entropy(batch):
    logits, target = batch
    valid = target != 255
    own = F.one_hot(target[valid], 3).double()
    expected = F.binary_cross_entropy_with_logits(logits.movedim(1, -1)[valid], own)
    assert torch.allclose(sigmoid_focal_loss(logits, target, gamma=0.0), expected, rtol=1e-12)


def test_hand_computed_two_by_two():
    # class 1's probability 1/2 3/4 / 1/4 void, labels 1 0 / 1 void; class 0's map is certain and right
    z = torch.tensor([[[[0.0, math.log(3)], [-math.log(3), 5.0]]]], dtype=torch.float64)
    target = torch.tensor([[[1, 0], [1, 255]]])
    focal = (0.25 * math.log(2) * 0.8 + 0.5625 * math.log(4) * 0.2 + 0.5625 * math.log(4) * 0.8) / 3
    assert float(sigmoid_focal_loss(z, target, alpha=0.8)) == pytest.approx(focal, rel=1e-12)
    certain = torch.where(target[:, None] == 0, 1e4, -1e4).double()
    assert float(sigmoid_focal_loss(torch.cat([certain, z], 1), target, alpha=0.8)) == pytest.approx(focal / 2)


def test_one_map_is_class_1s(batch):
    logits, target = batch
    target = torch.where(target == 2, 1, target)
    alone = sigmoid_focal_loss(logits[:, 1:2], target, alpha=0.3)
    assert torch.allclose(alone, sigmoid_focal_loss(logits[:, :2], target, alpha=0.3, class_weight=[0.0, 1.0]))


def test_classes_do_not_compete(batch):
    """A map's gradient knows nothing of the other maps, as a softmax's would."""
    logits, target = batch
    grads = []
    for shift in (0.0, 3.0):
        moved = logits.clone()
        moved[:, 2] += shift
        moved.requires_grad_()
        sigmoid_focal_loss(moved, target).backward()
        grads.append(moved.grad)
    assert torch.equal(grads[0][:, :2], grads[1][:, :2]) and not torch.allclose(grads[0][:, 2], grads[1][:, 2])


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(gamma=-1.0), 'gamma=-1.0'),
        (dict(alpha=1.5), 'alpha=1.5'),
        (dict(alpha=[0.1, 0.2, 1.2]), r'\[0, 1\]'),
        (dict(alpha=[0.1, -0.2, 0.2]), r'\[0, 1\]'),
    ],
)
def test_refuses_bad_parameters(batch, bad, message):
    with pytest.raises(ValueError, match=message):
        sigmoid_focal_loss(*batch, **bad)
    with pytest.raises(ValueError, match=message):
        OneVsAllFocalLoss(**bad)


@pytest.mark.parametrize('alpha', [None, 0.25, [0.2, 0.7, 0.9]])
def test_module_equals_function(batch, pixel_weight, alpha):
    module = OneVsAllFocalLoss(gamma=1.5, alpha=alpha, class_weight=[0.2, 1.0, 3.0], loss_weight=0.5)
    expected = 0.5 * sigmoid_focal_loss(
        *batch, gamma=1.5, alpha=alpha, weight=pixel_weight, class_weight=[0.2, 1.0, 3.0]
    )
    assert torch.allclose(module(*batch, weight=pixel_weight), expected)
    assert not module.state_dict()  # class factors are configuration: a checkpoint of the baseline still loads
