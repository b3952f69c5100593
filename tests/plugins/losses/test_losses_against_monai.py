"""The losses equal MONAI's, an independent implementation, with parameters that are not symmetric."""
import pytest
import torch
from monai.losses import DiceLoss, FocalLoss, TverskyLoss

from plugins.losses.dice import dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.tversky import tversky_loss

# N images, C classes, H×W pixels; every class is in the target, as MONAI averages over absent ones, too.
N, C, H, W = 2, 3, 5, 7


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(N, C, H, W, generator=generator, dtype=torch.float64)
    target = torch.randint(0, C, (N, H, W), generator=generator)
    assert target.unique().numel() == C
    return logits, target


@pytest.mark.parametrize('gamma', [0.5, 2.0, 3.5])
def test_focal(batch, gamma):
    logits, target = batch
    # MONAI means over pixels and classes, of which one per pixel is not zero.
    theirs = C * FocalLoss(gamma=gamma, use_softmax=True, to_onehot_y=True)(logits, target[:, None])
    torch.testing.assert_close(focal_loss(logits, target, gamma=gamma).float(), theirs)  # it computes in float32


@pytest.mark.parametrize('smooth', [0.0, 1.0])
def test_dice(batch, smooth):
    logits, target = batch
    theirs = DiceLoss(softmax=True, to_onehot_y=True, batch=True, smooth_nr=smooth, smooth_dr=smooth)
    torch.testing.assert_close(dice_loss(logits, target, smooth=smooth), theirs(logits, target[:, None]))


def test_tversky(batch):
    logits, target = batch
    theirs = TverskyLoss(softmax=True, to_onehot_y=True, batch=True, alpha=0.2, beta=0.9, smooth_nr=0, smooth_dr=0)
    torch.testing.assert_close(tversky_loss(logits, target, alpha=0.2, beta=0.9), theirs(logits, target[:, None]))
