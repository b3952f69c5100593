import numpy as np
import pytest
import torch

from plugins.losses.dice import SoftDiceLoss, dice_loss, weighted_dice_loss
from plugins.losses.tversky import tversky_loss


def recomputed(logits, target, smooth=0.0):
    valid = target.numpy() != 255
    labels = target.numpy()[valid]
    exps = np.exp(np.moveaxis(logits.numpy(), 1, -1)[valid])
    probs = exps / exps.sum(1, keepdims=True)
    one_hot = np.eye(logits.shape[1])[labels]
    dice = (2 * (probs * one_hot).sum(0) + smooth) / (probs.sum(0) + one_hot.sum(0) + smooth)
    return (1 - dice)[one_hot.any(0)].mean()


@pytest.mark.parametrize('smooth', [0.0, 1.0])
def test_equals_the_formula(batch, smooth):
    assert float(dice_loss(*batch, smooth=smooth)) == pytest.approx(recomputed(*batch, smooth), rel=1e-12)


def test_is_tversky_at_one_half(batch):
    assert torch.allclose(dice_loss(*batch), tversky_loss(*batch, alpha=0.5, beta=0.5), rtol=1e-14)
    assert torch.allclose(dice_loss(*batch, smooth=3.0), tversky_loss(*batch, smooth=1.5), rtol=1e-14)


def test_hand_computed_two_by_two():
    p1 = torch.tensor([[[[0.8, 0.6], [0.3, 0.99]]]], dtype=torch.float64)
    logits = torch.log(torch.cat([1 - p1, p1], dim=1))
    target = torch.tensor([[[1, 0], [0, 255]]])
    # class 1: 2 * 0.8 / (1.7 + 1); class 0: 2 * 1.1 / (1.3 + 2)
    assert float(dice_loss(logits, target)) == pytest.approx(1 - (1.6 / 2.7 + 2.2 / 3.3) / 2, rel=1e-12)


def test_right_is_zero_and_wrong_is_one(batch):
    target = batch[1]
    labels = target.masked_fill(target == 255, 0)
    right = 1e4 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    assert float(dice_loss(right, target)) == pytest.approx(0, abs=1e-6)
    assert float(dice_loss(right.roll(1, dims=1), target)) == pytest.approx(1, abs=1e-6)


def test_module_equals_function_and_weighs_classes(batch, pixel_weight):
    assert torch.allclose(SoftDiceLoss(smooth=0.7, loss_weight=3.0)(*batch), 3 * dice_loss(*batch, smooth=0.7))
    module = SoftDiceLoss(class_weight=[0.5, 1.0, 2.0])
    expected = weighted_dice_loss(
        *batch, smooth=0.0, ignore_index=255, weight=pixel_weight, class_weight=[0.5, 1.0, 2.0]
    )
    assert torch.allclose(module(*batch, weight=pixel_weight), expected)
    assert not torch.allclose(module(*batch), SoftDiceLoss()(*batch))


def test_refuses_negative_smooth(batch):
    with pytest.raises(ValueError, match='smooth=-1'):
        SoftDiceLoss(smooth=-1.0)
    with pytest.raises(ValueError, match='smooth'):
        dice_loss(*batch, smooth=-1.0)
