"""The losses equal MONAI's, an independent implementation, with parameters that are not symmetric."""

import pytest
import torch
from monai.losses import DiceLoss, FocalLoss, TverskyLoss

from plugins.losses.dice import dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.focal_sigmoid import sigmoid_focal_loss
from plugins.losses.tversky import tversky_loss

# N images, C classes, H×W pixels; every class is in each image, as MONAI averages over absent ones, too.
N, C, H, W = 2, 3, 5, 7


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(N, C, H, W, generator=generator, dtype=torch.float64)
    target = torch.randint(0, C, (N, H, W), generator=generator)
    assert all(labels.unique().numel() == C for labels in target)
    return logits, target


@pytest.mark.parametrize('gamma', [0.5, 2.0, 3.5])
def test_focal(batch, gamma):
    logits, target = batch
    # MONAI means over pixels and classes, of which one per pixel is not zero.
    theirs = C * FocalLoss(gamma=gamma, use_softmax=True, to_onehot_y=True)(logits, target[:, None])
    torch.testing.assert_close(focal_loss(logits, target, gamma=gamma).float(), theirs)  # it computes in float32


def test_focal_with_a_factor_for_each_class(batch):
    logits, target = batch
    theirs = FocalLoss(gamma=1.5, alpha=[0.2, 0.7, 1.3], use_softmax=True, to_onehot_y=True)(logits, target[:, None])
    torch.testing.assert_close(focal_loss(logits, target, gamma=1.5, alpha=[0.2, 0.7, 1.3]).float(), C * theirs)


@pytest.mark.parametrize('alpha', [None, 0.3])
@pytest.mark.parametrize('gamma', [0.5, 2.0, 3.5])
def test_focal_of_one_class_against_all_others(batch, gamma, alpha):
    logits, target = batch
    theirs = FocalLoss(gamma=gamma, alpha=alpha, to_onehot_y=True)(logits, target[:, None])
    torch.testing.assert_close(sigmoid_focal_loss(logits, target, gamma=gamma, alpha=alpha).float(), theirs)


def test_focal_of_one_class_against_all_others_with_class_weights(batch):
    logits, target = batch
    # MONAI's weights multiply the classes' losses and are not divided out.
    theirs = FocalLoss(gamma=1.5, alpha=0.3, weight=[0.4, 1.0, 2.5], to_onehot_y=True)(logits, target[:, None])
    ours = sigmoid_focal_loss(logits, target, gamma=1.5, alpha=0.3, class_weight=[0.4, 1.0, 2.5])
    torch.testing.assert_close((ours * 3.9 / C).float(), theirs)


@pytest.mark.parametrize('over', ['batch', 'sample'])
@pytest.mark.parametrize('smooth', [0.0, 1.0])
def test_dice(batch, smooth, over):
    logits, target = batch
    theirs = DiceLoss(softmax=True, to_onehot_y=True, batch=over == 'batch', smooth_nr=smooth, smooth_dr=smooth)
    torch.testing.assert_close(dice_loss(logits, target, smooth=smooth, over=over), theirs(logits, target[:, None]))


@pytest.mark.parametrize('over', ['batch', 'sample'])
def test_tversky(batch, over):
    logits, target = batch
    theirs = TverskyLoss(
        softmax=True, to_onehot_y=True, batch=over == 'batch', alpha=0.2, beta=0.9, smooth_nr=0, smooth_dr=0
    )
    torch.testing.assert_close(
        tversky_loss(logits, target, alpha=0.2, beta=0.9, over=over), theirs(logits, target[:, None])
    )


@pytest.mark.parametrize('over', ['batch', 'sample'])
def test_focal_tversky(batch, over):
    logits, target = batch
    each = TverskyLoss(
        softmax=True,
        to_onehot_y=True,
        batch=over == 'batch',
        alpha=0.8,
        beta=0.3,
        smooth_nr=0,
        smooth_dr=0,
        reduction='none',
    )(logits, target[:, None])
    torch.testing.assert_close(
        tversky_loss(logits, target, alpha=0.8, beta=0.3, gamma=0.75, over=over), (each**0.75).mean()
    )
