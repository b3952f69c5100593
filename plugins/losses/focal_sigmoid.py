"""Focal loss over sigmoids, each class against all others (Lin et al. 2017, as they use it for detection)."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from plugins.arguments import check_number
from plugins.losses.focal import Alpha, check_gamma, focused
from plugins.losses.inputs import class_weights, labelled_maps, one_hot, reduced
from plugins.losses.weighted_loss import WeightedLoss


def sigmoid_focal_loss(
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
    r"""Binary focal loss of each class against all others, averaged over the classes.

    With the one-hot label :math:`g_c` of a pixel, :math:`p_c = \sigma(z_c)`, and :math:`q_c, a_c` equal to
    :math:`p_c, \alpha_c` where :math:`g_c = 1` and to :math:`1 - p_c, 1 - \alpha_c` where :math:`g_c = 0`,

    .. math:: \ell = -\frac{1}{C} \sum_c a_c (1 - q_c)^\gamma \log q_c

    With gamma = 0 and alpha = None it is the mean binary cross entropy. The mean over valid pixels is
    sum(weight * l) / sum(weight). A batch without valid pixels gives 0. At test time, a softmax over the logits gives
    the same most likely class as the sigmoids, but other probabilities.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 5.

    Args:
        logits: (N, C, H, W). C = 1 is a single map, of class 1 against class 0.
        target: Integer labels (N, H, W).
        gamma: Focusing exponent, >= 0.
        alpha: Factor of the pixels of a class; all other pixels have the factor 1 - alpha. A number in [0, 1], or one
            for each map, or None for no balancing.
        weight: Weight of each pixel (N, H, W).
        class_weight: Weight of each class (C,); the mean over maps becomes sum(class_weight * l_c) / sum(class_weight).
        ignore_index: Label of void pixels, which count neither in the numerator nor in the denominator.
        reduction: 'mean', 'sum', or 'none' for weight * l of each pixel, (N, H, W) with 0 at void pixels.

    Returns:
        A scalar, or (N, H, W) for ``reduction='none'``; float64 if ``logits`` are float64, else float32.

    Raises:
        ValueError: Gamma < 0, alpha lies outside [0, 1], or
            :func:`~plugins.losses.inputs.labelled_maps` refuses the input.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[[0.]], [[0.]]]])  # both maps at p = 1/2: (1/2)^2 ln 2
        >>> round(float(sigmoid_focal_loss(logits, torch.tensor([[[1]]]))), 4)
        0.1733
    """
    check_gamma(gamma)
    _check_alpha(alpha)
    pixels = labelled_maps(logits, target, ignore_index, weight)
    own = _own(pixels.labels, logits.shape[1]).to(pixels.logits.dtype)
    losses = focused(F.binary_cross_entropy_with_logits(pixels.logits, own, reduction='none'), gamma)
    if alpha is not None:
        factor = alpha if isinstance(alpha, (int, float)) else class_weights(alpha, pixels.logits).view(1, -1, 1, 1)
        losses = (own * factor + (1 - own) * (1 - factor)) * losses
    share = class_weights(class_weight, pixels.logits)
    losses = (losses * (share / share.sum()).view(1, -1, 1, 1)).sum(1)
    return reduced(losses, pixels.weight, reduction)


def _own(labels: Tensor, maps: int) -> Tensor:
    """Whether each pixel has the class of each map, bool (N, maps, H, W); a single map is that of class 1."""
    return one_hot(labels, 2)[:, 1:] if maps == 1 else one_hot(labels, maps)


def _check_alpha(alpha: Alpha) -> None:
    if alpha is None or isinstance(alpha, Tensor):  # reading the values of a tensor would stall a GPU
        return
    values = [alpha] if isinstance(alpha, (int, float)) else list(alpha)
    for value in values:
        check_number('alpha', value)
    if not values:
        raise ValueError('alpha=[]: give one factor, or one for each class')
    if min(values) < 0 or max(values) > 1:
        raise ValueError(f'alpha={alpha}: a class has the factor alpha and all others 1 - alpha, so it lies in [0, 1]')


@MODELS.register_module()
class OneVsAllFocalLoss(WeightedLoss):
    """The module of :func:`sigmoid_focal_loss`. (mmsegmentation's FocalLoss needs a class index for void pixels.)

    Args:
        gamma: Focusing exponent, >= 0.
        alpha: Factor of the pixels of a class: a number in [0, 1], or one for each class, or None.
        class_weight: One weight for each class in the mean over classes.
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
        _check_alpha(alpha)
        self.gamma = gamma
        if isinstance(alpha, (int, float)):
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
        return self.loss_weight * sigmoid_focal_loss(
            seg_logits,
            seg_label,
            gamma=self.gamma,
            alpha=self.alpha,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )
