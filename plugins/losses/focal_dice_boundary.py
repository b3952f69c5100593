"""A loss of three terms: focal (hard pixels), Dice (overlap) and boundary (distance, Kervadec et al.)."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
from mmseg.registry import MODELS
from torch import Tensor

from plugins.arguments import check_number, check_whole
from plugins.losses.boundary import boundary_loss
from plugins.losses.dice import weighted_dice_loss
from plugins.losses.focal import check_gamma, focal_loss
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
    """``focal_weight * focal + dice_weight * Dice + boundary_share * boundary_weight * boundary``.

    A term of weight 0 is not computed.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1 against class 0.
        target: Integer labels (N, H, W).
        focal_weight: Factor of :func:`plugins.losses.focal.focal_loss`.
        dice_weight: Factor of :func:`plugins.losses.dice.dice_loss`.
        boundary_weight: Factor of :func:`plugins.losses.boundary.boundary_loss`, whose unit is a pixel.
        boundary_share: Current share of ``boundary_weight`` during a ramp, a number or a scalar tensor.
        gamma: Focusing exponent of the focal term.
        weight: Weight of each pixel (N, H, W), in all terms.
        class_weight: Weight of each class (C,), in all terms.
        ignore_index: Label of void pixels.
        reduction: 'mean'; 'sum' and 'none' only if ``dice_weight`` is 0, because Dice has no value per pixel.

    Returns:
        A scalar, or (N, H, W) for 'none'; float64 if ``logits`` are float64, else float32. It can be negative,
        because of the boundary term.

    Raises:
        ValueError: A weight is negative, all weights are 0, or a term refuses its input or the reduction.
    """
    _check_weights(focal_weight, dice_weight, boundary_weight)
    every = dict(weight=weight, class_weight=class_weight, ignore_index=ignore_index)
    terms = []
    if focal_weight:
        terms.append(focal_weight * focal_loss(logits, target, gamma=gamma, reduction=reduction, **every))  # type: ignore[arg-type]
    if dice_weight:
        refuse_per_pixel(reduction, 'the Dice term of focal_dice_boundary_loss')
        terms.append(dice_weight * weighted_dice_loss(logits, target, smooth=0.0, **every))  # type: ignore[arg-type]
    if boundary_weight:
        terms.append(boundary_share * (boundary_weight * boundary_loss(logits, target, reduction=reduction, **every)))  # type: ignore[arg-type, operator]
    return sum(terms)  # type: ignore[return-value]


def _check_weights(focal_weight: float, dice_weight: float, boundary_weight: float) -> None:
    weights = (focal_weight, dice_weight, boundary_weight)
    for name, value in zip(('focal_weight', 'dice_weight', 'boundary_weight'), weights):
        check_number(name, value)
    if min(weights) < 0 or max(weights) == 0:
        raise ValueError(
            'focal_weight={}, dice_weight={}, boundary_weight={}: weights are non-negative and not all 0'.format(
                *weights
            )
        )


@MODELS.register_module()
class FocalDiceBoundaryLoss(WeightedLoss):
    """The module of :func:`focal_dice_boundary_loss`; it can ramp up the boundary term.

    Early predictions are far from any boundary, and Kervadec et al. therefore begin with the regional losses. With a
    ramp of R calls, call t = 0, 1, … in training mode gives the boundary term the weight
    ``boundary_weight * min(t / R, 1)``. Checkpoints contain the number of calls, so a resumed training continues the
    ramp.

    Args:
        focal_weight: Factor of the focal term.
        dice_weight: Factor of the Dice term.
        boundary_weight: Factor of the boundary term, whose unit is a pixel.
        gamma: Focusing exponent of the focal term.
        class_weight: One weight for each class, in all terms.
        boundary_ramp: R, the number of training calls until the boundary term has its full weight. Calls are
            iterations, unless gradients are accumulated or a head calls its loss more than once. 0 means no ramp, and
            adds nothing to the checkpoint.
        loss_weight: Factor of the sum.
        loss_name: Key in the training log.

    Raises:
        ValueError: The ramp is negative, or a ramp is given for a boundary term of weight 0.
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
        check_gamma(gamma)
        check_whole('boundary_ramp', boundary_ramp)
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
        """The loss of a batch. ``reduction_override='none'``, which ranks pixels, needs ``dice_weight=0``.

        Such a call does not count for the ramp.
        """
        value = self.loss_weight * focal_dice_boundary_loss(
            seg_logits,
            seg_label,
            focal_weight=self.focal_weight,
            dice_weight=self.dice_weight,
            boundary_weight=self.boundary_weight,
            boundary_share=self._boundary_share(),
            gamma=self.gamma,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )
        if self.boundary_ramp and self.training and reduction_override != 'none':
            self.calls += 1  # type: ignore[assignment, operator]
        return value

    def _boundary_share(self) -> Union[float, Tensor]:
        return (self.calls / self.boundary_ramp).clamp(max=1) if self.boundary_ramp else 1.0  # type: ignore[operator, union-attr]
