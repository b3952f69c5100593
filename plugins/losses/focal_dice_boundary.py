"""The three-term preset: hard pixels (focal), overlap (Dice), distance to the boundary (Kervadec)."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
from mmseg.registry import MODELS
from torch import Tensor

from plugins.losses.boundary import boundary_loss
from plugins.losses.dice import weighted_dice_loss
from plugins.losses.focal import focal_loss
from plugins.losses.inputs import refuse_per_pixel
from plugins.losses.weighted_loss import WeightedLoss


def focal_dice_boundary_loss(
    logits: Tensor,
    target: Tensor,
    *,
    focal_weight: float = 1.0,
    dice_weight: float = 1.0,
    boundary_weight: float = 0.01,
    boundary_share: Union[float, Tensor] = 1.0,
    gamma: float = 2.0,
    weight: Optional[Tensor] = None,
    class_weight: Union[Sequence[float], Tensor, None] = None,
    ignore_index: Optional[int] = 255,
    reduction: str = 'mean',
) -> Tensor:
    """focal_weight * focal + dice_weight * Dice + boundary_share * boundary_weight * boundary.

    A term of weight 0 is not computed.

    Args:
        logits: (N, C, H, W); C = 1 is a sigmoid map of class 1 against class 0.
        target: (N, H, W) integer labels.
        focal_weight: factor of :func:`plugins.losses.focal.focal_loss`.
        dice_weight: factor of :func:`plugins.losses.dice.dice_loss`.
        boundary_weight: factor of :func:`plugins.losses.boundary.boundary_loss`, whose unit is a pixel.
        boundary_share: the part of ``boundary_weight`` that counts, while it is ramped up; may be a tensor.
        gamma: focusing exponent of the focal term.
        weight: (N, H, W) weight per pixel, in all terms.
        class_weight: (C,), in all terms.
        ignore_index: label of void pixels.
        reduction: 'mean'; 'sum' and 'none' only when ``dice_weight`` is 0, for Dice has no value per pixel.

    Returns:
        A scalar, or (N, H, W) for 'none'; float64 if ``logits`` are, else float32. The boundary term can make it
        negative.

    Raises:
        ValueError: if a weight is negative, all are 0, or a term refuses its input or the reduction.
    """
    _check_weights(focal_weight, dice_weight, boundary_weight)
    every = dict(weight=weight, class_weight=class_weight, ignore_index=ignore_index)
    terms = []
    if focal_weight:
        terms.append(focal_weight * focal_loss(logits, target, gamma=gamma, reduction=reduction, **every))
    if dice_weight:
        refuse_per_pixel(reduction, 'the Dice term of focal_dice_boundary_loss')
        terms.append(dice_weight * weighted_dice_loss(logits, target, smooth=0.0, **every))
    if boundary_weight:
        terms.append(boundary_share * (boundary_weight * boundary_loss(logits, target, reduction=reduction, **every)))
    return sum(terms)


def _check_weights(focal_weight: float, dice_weight: float, boundary_weight: float) -> None:
    weights = (focal_weight, dice_weight, boundary_weight)
    if min(weights) < 0 or max(weights) == 0:
        raise ValueError(
            'focal_weight={}, dice_weight={}, boundary_weight={}: weights are non-negative and not all 0'.format(
                *weights
            )
        )


@MODELS.register_module()
class FocalDiceBoundaryLoss(WeightedLoss):
    """Module of :func:`focal_dice_boundary_loss`, which can ramp the boundary term up.

    Early predictions are far from any boundary; Kervadec et al. let the regional losses lead first. With a ramp of R
    calls, call number t = 0, 1, … in training mode weighs the boundary term by ``boundary_weight * min(t / R, 1)``.
    The number of calls is in the checkpoint, so a resumed training goes on where it stopped.

    Args:
        focal_weight: factor of the focal term.
        dice_weight: factor of the Dice term.
        boundary_weight: factor of the boundary term, whose unit is a pixel.
        gamma: focusing exponent of the focal term.
        class_weight: one weight per class, in all terms.
        boundary_ramp: R, training calls (iterations, unless gradients are accumulated or a head calls its loss more
            than once) until the boundary term has its full weight; 0 for no ramp, and nothing in the checkpoint.
        loss_weight: factor of the sum.
        loss_name: key in the training log.

    Raises:
        ValueError: for a negative ramp, or one of a boundary term of weight 0.
    """

    def __init__(
        self,
        focal_weight: float = 1.0,
        dice_weight: float = 1.0,
        boundary_weight: float = 0.01,
        gamma: float = 2.0,
        class_weight: Optional[Sequence[float]] = None,
        boundary_ramp: int = 0,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal_dice_boundary',
    ) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        _check_weights(focal_weight, dice_weight, boundary_weight)
        if boundary_ramp < 0 or (boundary_ramp and not boundary_weight):
            raise ValueError(
                f'boundary_ramp={boundary_ramp} with boundary_weight={boundary_weight}: a ramp has a '
                'positive number of training calls and a weight to reach; 0 is no ramp'
            )
        self.focal_weight, self.dice_weight, self.boundary_weight = focal_weight, dice_weight, boundary_weight
        self.gamma = gamma
        self.boundary_ramp = boundary_ramp
        if boundary_ramp:
            self.register_buffer('calls', torch.zeros((), dtype=torch.long))

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Optional[Tensor] = None,
        ignore_index: Optional[int] = 255,
        reduction_override: Optional[str] = None,
    ) -> Tensor:
        """Loss of a batch; ``reduction_override='none'`` (ranking pixels) works without Dice, and is not counted."""
        value = self.loss_weight * focal_dice_boundary_loss(
            seg_logits,
            seg_label,
            focal_weight=self.focal_weight,
            dice_weight=self.dice_weight,
            boundary_weight=self.boundary_weight,
            boundary_share=self._boundary_share(),
            gamma=self.gamma,
            weight=weight,
            class_weight=self.class_weight,
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )
        if self.boundary_ramp and self.training and reduction_override != 'none':
            self.calls += 1
        return value

    def _boundary_share(self) -> Union[float, Tensor]:
        return (self.calls / self.boundary_ramp).clamp(max=1) if self.boundary_ramp else 1.0
