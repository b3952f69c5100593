"""Focal loss over softmax probabilities (Lin et al. 2017). Over sigmoids: :mod:`plugins.losses.focal_sigmoid`."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from plugins.arguments import check_number
from plugins.losses.inputs import class_weights, labelled_pixels, reduced
from plugins.losses.weighted_loss import WeightedLoss

Alpha = Union[float, Sequence[float], Tensor, None]


def focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    alpha: Alpha = None,
    weight: Optional[Tensor] = None,
    class_weight: Union[Sequence[float], Tensor, None] = None,
    ignore_index: Optional[int] = 255,
    reduction: str = 'mean',
) -> Tensor:
    r"""Cross entropy with smaller weights for pixels that are already predicted well.

    With :math:`p_t` the softmax probability of the true class :math:`t` of a pixel,

    .. math:: \ell = -\alpha_t (1 - p_t)^\gamma \log p_t

    With gamma = 0 and alpha = None it is the cross entropy. The mean over valid pixels is
    sum(weight * l) / sum(weight). alpha is a factor of the loss alone, as in the paper. ``class_weight`` is a factor of
    the pixel weights, in numerator and denominator, as in torch's cross entropy. A batch without valid pixels gives 0.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1 against class 0.
        target: Integer labels (N, H, W).
        gamma: Focusing exponent, >= 0.
        alpha: One factor for each class, or a number in [0, 1], or None for no balancing. A number is the factor of the
            classes 1..C-1; class 0, the background, has the factor 1 - alpha.
        weight: Weight of each pixel (N, H, W).
        class_weight: Weight of each class (C,), a factor of the weights of its pixels.
        ignore_index: Label of void pixels, which count neither in the numerator nor in the denominator.
        reduction: 'mean', 'sum', or 'none' for weight * l of each pixel, (N, H, W) with 0 at void pixels.

    Returns:
        A scalar, or (N, H, W) for ``reduction='none'``; float64 if ``logits`` are float64, else float32.

    Raises:
        ValueError: Gamma < 0, a single alpha lies outside [0, 1], or
            :func:`~plugins.losses.inputs.labelled_pixels` refuses the input.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[[0.]], [[0.]]]])  # p = 1/2 each: (1/2)^2 ln 2
        >>> round(float(focal_loss(logits, torch.tensor([[[1]]]))), 4)
        0.1733
    """
    check_gamma(gamma)
    pixels = labelled_pixels(logits, target, ignore_index, weight)
    losses = focused(F.cross_entropy(pixels.logits, pixels.labels, reduction='none'), gamma)
    if alpha is not None:
        losses = _class_factor(alpha, pixels.labels, pixels.logits) * losses
    weight = pixels.weight
    if class_weight is not None:
        weight = weight * class_weights(class_weight, pixels.logits)[pixels.labels]
    return reduced(losses, weight, reduction)


def focused(cross_entropies: Tensor, gamma: float) -> Tensor:
    """``(1 - p)^gamma * (-log p)`` of cross entropies ``-log p``, of any shape."""
    if not gamma:
        return cross_entropies
    # expm1 keeps 1 - p precise for p near 1. The lower bound keeps the slope of x^gamma finite for gamma < 1.
    miss = -torch.expm1(-cross_entropies)
    return miss.clamp(min=torch.finfo(miss.dtype).tiny) ** gamma * cross_entropies


def check_gamma(gamma: float) -> None:
    """Refuse a negative focusing exponent.

    Raises:
        ValueError: Gamma < 0.
    """
    check_number('gamma', gamma)
    if gamma < 0:
        raise ValueError(f'gamma={gamma}: a negative focusing exponent would favour easy pixels; use gamma >= 0')


def _class_factor(alpha: Alpha, labels: Tensor, logits: Tensor) -> Tensor:
    if not isinstance(alpha, (int, float)):
        return class_weights(alpha, logits)[labels]
    _check_single_alpha(alpha)
    foreground = (labels > 0).to(logits.dtype)
    return alpha * foreground + (1 - alpha) * (1 - foreground)


def _check_single_alpha(alpha: float) -> None:
    check_number('alpha', alpha)
    if not 0 <= alpha <= 1:
        raise ValueError(
            f'alpha={alpha}: a single alpha weighs foreground against background and lies in [0, 1]; '
            'give one factor per class for anything else'
        )


@MODELS.register_module()
class SoftmaxFocalLoss(WeightedLoss):
    """The module of :func:`focal_loss`. (The FocalLoss of mmsegmentation uses sigmoids.)

    Args:
        gamma: Focusing exponent, >= 0.
        alpha: One factor for each class, or a number in [0, 1], or None; see :func:`focal_loss`.
        class_weight: One weight for each class, a factor of the weights of its pixels.
        loss_weight: Factor of the loss.
        loss_name: Key in the training log.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: Alpha = None,
        class_weight: Optional[Sequence[float]] = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_focal',
    ) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        check_gamma(gamma)
        self.gamma = gamma
        if isinstance(alpha, (int, float)):
            _check_single_alpha(alpha)
            self.alpha = alpha
        else:
            self.keep_per_class('alpha', alpha)  # type: ignore[arg-type]

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Optional[Tensor] = None,
        ignore_index: Optional[int] = 255,
        reduction_override: Optional[str] = None,
    ) -> Tensor:
        """The loss of a batch. mmseg's OHEM sampler passes ``reduction_override='none'`` to rank pixels."""
        return self.loss_weight * focal_loss(
            seg_logits,
            seg_label,
            gamma=self.gamma,
            alpha=self.alpha,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )
