import numpy as np
import pytest
import torch
import torch.nn.functional as F

from plugins.losses.boundary import (
    BoundaryWeightedCrossEntropyLoss,
    KervadecBoundaryLoss,
    boundary_loss,
    boundary_weighted_cross_entropy,
)


def nearest(labels, x, accept):
    """Distance from x to the nearest valid pixel whose label is accepted; inf if there is none."""
    return min(
        (
            np.hypot(x[0] - y[0], x[1] - y[1])
            for y in np.ndindex(labels.shape)
            if labels[y] != 255 and accept(labels[y])
        ),
        default=np.inf,
    )


def valid_pixels(logits, target):
    """(labels of the image, pixel, label, softmax, n) of each valid pixel, in float64."""
    for n, labels in enumerate(target.numpy()):
        for x in np.ndindex(labels.shape):
            if labels[x] != 255:
                exps = np.exp(logits[(n, slice(None), *x)].numpy())
                yield labels, x, labels[x], exps / exps.sum(), n


def kervadec(logits, target, class_weight, weight=None):
    total = below = 0.0
    for labels, x, label, probs, n in valid_pixels(logits, target):
        w = 1.0 if weight is None else float(weight[(n, *x)])
        below += w
        for c, share in enumerate(class_weight):
            if not (labels == c).any():
                continue
            inside = -(nearest(labels, x, lambda other: other != c) - 1)
            total += w * share * probs[c] * (inside if label == c else nearest(labels, x, lambda other: other == c))
    return total / below / sum(class_weight)


def weighted_ce(logits, target, w0, sigma_px, class_weight, weight=None):
    total = below = 0.0
    for labels, x, label, probs, n in valid_pixels(logits, target):
        d = nearest(labels, x, lambda other: other != label) - 1
        w = (1 + w0 * np.exp(-(d**2) / (2 * sigma_px**2))) * class_weight[label]
        w *= 1.0 if weight is None else float(weight[(n, *x)])
        total, below = total - w * np.log(probs[label]), below + w
    return total / below


def test_distance_form_equals_the_formula(batch, pixel_weight):
    assert float(boundary_loss(*batch)) == pytest.approx(kervadec(*batch, [1, 1, 1]), rel=1e-6)
    ours = boundary_loss(*batch, weight=pixel_weight, class_weight=[0.0, 1.0, 2.5])
    assert float(ours) == pytest.approx(kervadec(*batch, [0.0, 1.0, 2.5], pixel_weight), rel=1e-6)


def test_distance_form_hand_computed_two_by_two():
    p1 = torch.tensor([[[[0.8, 0.6], [0.3, 0.99]]]], dtype=torch.float64)
    logits = torch.log(torch.cat([1 - p1, p1], dim=1))
    target = torch.tensor([[[1, 0], [0, 255]]])
    # class 1's map: 0 1 / 1 void; class 0's: 1 0 / 0 void
    assert float(boundary_loss(logits, target)) == pytest.approx((0.6 + 0.3 + 0.2) / (2 * 3), rel=1e-6)


def test_a_mistake_far_from_the_class_costs_more():
    target = torch.zeros(1, 1, 8, dtype=torch.long)
    target[..., 0] = 1

    def with_mistake_at(column):
        prediction = target.clone()
        prediction[..., column] = 1
        return float(boundary_loss(20 * F.one_hot(prediction, 2).permute(0, 3, 1, 2).double(), target))

    costs = [with_mistake_at(column) for column in range(8)]
    assert costs == sorted(costs) and costs[7] > costs[1]


@pytest.mark.parametrize('w0, sigma_px', [(10.0, 5.0), (3.0, 0.8)])
def test_weighted_form_equals_the_formula(batch, pixel_weight, w0, sigma_px):
    ours = boundary_weighted_cross_entropy(*batch, w0=w0, sigma_px=sigma_px)
    assert float(ours) == pytest.approx(weighted_ce(*batch, w0, sigma_px, [1, 1, 1]), rel=1e-6)
    ours = boundary_weighted_cross_entropy(
        *batch, w0=w0, sigma_px=sigma_px, weight=pixel_weight, class_weight=[0.3, 1.0, 2.0]
    )
    assert float(ours) == pytest.approx(weighted_ce(*batch, w0, sigma_px, [0.3, 1.0, 2.0], pixel_weight), rel=1e-6)


def test_weighted_form_without_extra_weight_is_cross_entropy(batch):
    assert torch.allclose(boundary_weighted_cross_entropy(*batch, w0=0.0), F.cross_entropy(*batch, ignore_index=255))
    classes = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64)
    assert torch.allclose(
        boundary_weighted_cross_entropy(*batch, w0=0.0, class_weight=classes),
        F.cross_entropy(*batch, weight=classes, ignore_index=255),
    )


def test_weights_are_highest_on_both_sides_of_a_boundary():
    target = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    logits = torch.zeros(1, 2, 1, 6)
    each = boundary_weighted_cross_entropy(logits, target, w0=4.0, sigma_px=1.0, reduction='none') / np.log(2)
    expected = [1 + 4 * np.exp(-d * d / 2) for d in (2, 1, 0, 0, 1, 2)]
    np.testing.assert_allclose(each.flatten().numpy(), expected, rtol=1e-5)


def test_weighted_form_of_one_class_is_cross_entropy():
    logits, target = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0)), torch.ones(1, 3, 3).long()
    assert torch.allclose(boundary_weighted_cross_entropy(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize('bad, message', [(dict(w0=-1.0), 'w0=-1.0'), (dict(sigma_px=0.0), 'sigma_px=0.0')])
def test_refuses_bad_parameters(batch, bad, message):
    with pytest.raises(ValueError, match=message):
        boundary_weighted_cross_entropy(*batch, **bad)
    with pytest.raises(ValueError, match=message):
        BoundaryWeightedCrossEntropyLoss(**bad)


def test_modules_equal_functions(batch, pixel_weight):
    module = KervadecBoundaryLoss(class_weight=[0.0, 1.0, 2.0], loss_weight=0.3)
    expected = 0.3 * boundary_loss(*batch, weight=pixel_weight, class_weight=[0.0, 1.0, 2.0])
    assert torch.allclose(module(*batch, weight=pixel_weight), expected)
    module = BoundaryWeightedCrossEntropyLoss(w0=2.0, sigma_px=1.5, class_weight=[0.2, 1.0, 2.0], loss_weight=0.3)
    expected = 0.3 * boundary_weighted_cross_entropy(
        *batch, w0=2.0, sigma_px=1.5, weight=pixel_weight, class_weight=[0.2, 1.0, 2.0]
    )
    assert torch.allclose(module(*batch, weight=pixel_weight), expected)
    assert module(*batch, reduction_override='none').shape == batch[1].shape
