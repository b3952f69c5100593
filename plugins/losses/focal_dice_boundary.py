"""The three-term preset: hard pixels (focal), overlap (Dice), distance to the boundary (Kervadec)."""
# N images, C classes, H×W pixels
from typing import Optional

from mmseg.registry import MODELS
from torch import Tensor

from plugins.losses.boundary import boundary_loss
from plugins.losses.dice import weighted_dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.weighted_loss import WeightedLoss


def focal_dice_boundary_loss(logits: Tensor, target: Tensor, *, focal_weight: float = 1.0, dice_weight: float = 1.0,
                             boundary_weight: float = 0.01, gamma: float = 2.0, weight: Optional[Tensor] = None,
                             ignore_index: Optional[int] = 255) -> Tensor:
    """focal_weight * focal + dice_weight * Dice + boundary_weight * boundary; a term of weight 0 is not computed.

    Args:
        logits: (N, C, H, W), C >= 2.
        target: (N, H, W) integer labels.
        focal_weight: factor of :func:`plugins.losses.focal.focal_loss`.
        dice_weight: factor of :func:`plugins.losses.dice.dice_loss`.
        boundary_weight: factor of :func:`plugins.losses.boundary.boundary_loss`, whose unit is a pixel.
        gamma: focusing exponent of the focal term.
        weight: (N, H, W) weight per pixel, in all terms.
        ignore_index: label of void pixels.

    Returns:
        A scalar; float64 if ``logits`` are, else float32. The boundary term can make it negative.

    Raises:
        ValueError: if a weight is negative, all are 0, or a term refuses its input.
    """
    _check_weights(focal_weight, dice_weight, boundary_weight)
    terms = []
    if focal_weight:
        terms.append(focal_weight * focal_loss(logits, target, gamma=gamma, weight=weight, ignore_index=ignore_index))
    if dice_weight:
        terms.append(dice_weight * weighted_dice_loss(logits, target, smooth=0.0, weight=weight,
                                                      ignore_index=ignore_index))
    if boundary_weight:
        terms.append(boundary_weight * boundary_loss(logits, target, weight=weight, ignore_index=ignore_index))
    return sum(terms)


def _check_weights(focal_weight: float, dice_weight: float, boundary_weight: float) -> None:
    weights = (focal_weight, dice_weight, boundary_weight)
    if min(weights) < 0 or max(weights) == 0:
        raise ValueError('focal_weight={}, dice_weight={}, boundary_weight={}: weights are non-negative '
                         'and not all 0'.format(*weights))


@MODELS.register_module()
class FocalDiceBoundaryLoss(WeightedLoss):
    """Module of :func:`focal_dice_boundary_loss`.

    Args:
        focal_weight: factor of the focal term.
        dice_weight: factor of the Dice term.
        boundary_weight: factor of the boundary term, whose unit is a pixel.
        gamma: focusing exponent of the focal term.
        loss_weight: factor of the sum.
        loss_name: key in the training log.
    """

    def __init__(self, focal_weight: float = 1.0, dice_weight: float = 1.0, boundary_weight: float = 0.01,
                 gamma: float = 2.0, loss_weight: float = 1.0, loss_name: str = 'loss_focal_dice_boundary') -> None:
        super().__init__(loss_weight, loss_name)
        _check_weights(focal_weight, dice_weight, boundary_weight)
        self.focal_weight, self.dice_weight, self.boundary_weight = focal_weight, dice_weight, boundary_weight
        self.gamma = gamma

    def forward(self, seg_logits: Tensor, seg_label: Tensor, weight: Optional[Tensor] = None,
                ignore_index: Optional[int] = 255) -> Tensor:
        """Loss of a batch: logits (N, C, H, W), labels and optional pixel weights (N, H, W)."""
        return self.loss_weight * focal_dice_boundary_loss(
            seg_logits, seg_label, focal_weight=self.focal_weight, dice_weight=self.dice_weight,
            boundary_weight=self.boundary_weight, gamma=self.gamma, weight=weight, ignore_index=ignore_index)
