import numpy as np
import pytest
import torch

from plugins.losses.tversky import GeneralTverskyLoss, tversky_loss, weighted_tversky_loss


def recomputed(logits, target, alpha, beta, gamma=1.0, smooth=0.0, weight=None, class_weight=(1, 1, 1)):
    """In float64 numpy, from 1 - index, class by class over lists of pixels."""
    valid = target.numpy() != 255
    labels = target.numpy()[valid]
    exps = np.exp(np.moveaxis(logits.numpy(), 1, -1)[valid])
    probs = exps / exps.sum(1, keepdims=True)
    w = np.ones(len(labels)) if weight is None else weight.numpy()[valid]
    losses, shares = [], []
    for c in range(logits.shape[1]):
        own, p = labels == c, probs[:, c]
        if not w[own].any():
            continue
        tp, fp, fn = (w * p)[own].sum(), (w * p)[~own].sum(), (w * (1 - p))[own].sum()
        losses.append((1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)) ** gamma)
        shares.append(class_weight[c])
    return np.average(losses, weights=shares)


@pytest.mark.parametrize(
    'alpha, beta, gamma, smooth',
    [(0.5, 0.5, 1, 0), (0.3, 0.7, 1, 0), (0.9, 0.4, 1, 2.0), (0.3, 0.7, 0.75, 0), (1.0, 0.0, 2.0, 0.5)],
)
def test_equals_the_formula(batch, alpha, beta, gamma, smooth):
    ours = tversky_loss(*batch, alpha=alpha, beta=beta, gamma=gamma, smooth=smooth)
    assert float(ours) == pytest.approx(recomputed(*batch, alpha, beta, gamma, smooth), rel=1e-12)


def test_equals_the_formula_with_weights(batch, pixel_weight):
    ours = weighted_tversky_loss(
        *batch,
        alpha=0.3,
        beta=0.7,
        gamma=1.5,
        smooth=0.0,
        ignore_index=255,
        weight=pixel_weight,
        class_weight=[0.1, 1.0, 3.0],
    )
    expected = recomputed(*batch, 0.3, 0.7, 1.5, weight=pixel_weight, class_weight=[0.1, 1.0, 3.0])
    assert float(ours) == pytest.approx(expected, rel=1e-12)


def test_hand_computed_two_by_two():
    # class 1 has probabilities 0.8 0.6 / 0.3 and a void; labels 1 0 / 0 void
    p1 = torch.tensor([[[[0.8, 0.6], [0.3, 0.99]]]], dtype=torch.float64)
    logits = torch.log(torch.cat([1 - p1, p1], dim=1))
    target = torch.tensor([[[1, 0], [0, 255]]])
    # class 1: TP 0.8, FP 0.9, FN 0.2; class 0: TP 1.1, FP 0.2, FN 0.9
    expected = ((1 - 0.8 / (0.8 + 0.2 * 0.9 + 0.9 * 0.2)) + (1 - 1.1 / (1.1 + 0.2 * 0.2 + 0.9 * 0.9))) / 2
    assert float(tversky_loss(logits, target, alpha=0.2, beta=0.9)) == pytest.approx(expected, rel=1e-12)


def test_alpha_weighs_false_positives_and_beta_false_negatives():
    # one image of class 0 with a pixel of class 1; only class 1's term is looked at, through class_weight
    def loss_of_class_1(prediction, alpha, beta):
        logits = 20 * torch.nn.functional.one_hot(prediction, 2).permute(0, 3, 1, 2).double()
        target = torch.tensor([[[0, 0, 1, 1]]])
        return float(
            weighted_tversky_loss(
                logits, target, alpha=alpha, beta=beta, gamma=1.0, smooth=0.0, ignore_index=255, class_weight=[0.0, 1.0]
            )
        )

    too_much, too_little = torch.tensor([[[0, 1, 1, 1]]]), torch.tensor([[[0, 0, 0, 1]]])
    assert loss_of_class_1(too_much, alpha=0.9, beta=0.1) > loss_of_class_1(too_much, alpha=0.1, beta=0.9)
    assert loss_of_class_1(too_little, alpha=0.9, beta=0.1) < loss_of_class_1(too_little, alpha=0.1, beta=0.9)
    assert loss_of_class_1(too_much, alpha=0.9, beta=0.1) == pytest.approx(1 - 2 / 2.9, abs=1e-6)
    assert loss_of_class_1(too_little, alpha=0.9, beta=0.1) == pytest.approx(1 - 1 / 1.1, abs=1e-6)


def test_a_class_absent_from_the_batch_is_left_out_of_the_mean(batch):
    logits, target = batch
    more = torch.cat([logits, torch.full_like(logits[:, :1], -1e4)], dim=1)  # a fourth class, never predicted
    assert torch.allclose(
        tversky_loss(more, target, alpha=0.3, beta=0.7), tversky_loss(logits, target, alpha=0.3, beta=0.7)
    )


def test_nothing_predicted_and_misses_free_is_a_full_loss_without_nan():
    logits = torch.tensor([[[[1e4, 1e4]], [[-1e4, -1e4]]]], requires_grad=True)
    loss = tversky_loss(logits, torch.tensor([[[1, 1]]]), alpha=1.0, beta=0.0)
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize(
    'bad, message',
    [
        (dict(alpha=0.0, beta=0.0), 'not both 0'),
        (dict(alpha=-0.1), 'alpha=-0.1'),
        (dict(gamma=0.0), 'gamma=0.0'),
        (dict(smooth=-1.0), 'smooth=-1.0'),
    ],
)
def test_refuses_bad_parameters(batch, bad, message):
    with pytest.raises(ValueError, match=message):
        tversky_loss(*batch, **bad)
    with pytest.raises(ValueError, match=message):
        GeneralTverskyLoss(**bad)


def test_module_equals_function(batch):
    module = GeneralTverskyLoss(alpha=0.2, beta=0.9, gamma=1.3, smooth=0.4, loss_weight=2.0)
    assert torch.allclose(module(*batch), 2 * tversky_loss(*batch, alpha=0.2, beta=0.9, gamma=1.3, smooth=0.4))
