"""Tversky and focal Tversky loss (Salehi et al. 2017; Abraham & Khan 2019)."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
from mmseg.registry import MODELS
from torch import Tensor

from plugins.arguments import check_number
from plugins.losses.inputs import class_weights, labelled_pixels, one_hot, refuse_per_pixel, weighted_mean
from plugins.losses.weighted_loss import WeightedLoss


def tversky_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    smooth: float = 0.0,
    ignore_index: Optional[int] = 255,
    over: str = 'batch',
) -> Tensor:
    r"""One minus the soft Tversky index, averaged over the classes that are present.

    With softmax probabilities p, one-hot labels g and sums over all valid pixels of the batch,
    TP = sum(p g), FP = sum(p (1 - g)), FN = sum((1 - p) g) for each class, and

    .. math:: L = \operatorname{mean}_{c\ \text{present}}
              \left(1 - \frac{TP_c + s}{TP_c + \alpha FP_c + \beta FN_c + s}\right)^\gamma

    A class without a valid pixel in the target is left out of the mean, because its index would be 0 for any
    prediction. Its false positives still count, as false negatives of the classes that are present. A batch without
    valid pixels gives 0. With ``over='sample'``, the loss of each image is computed in this way, and the result is the
    mean over the images that have a valid pixel.

    Sources: Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional deep networks",
    MLMI 2017; gamma: Abraham & Khan, "A novel focal Tversky loss function", ISBI 2019. Their exponent is 1/gamma: their
    gamma = 4/3 is 0.75 here.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1; the loss is that of classes 0 and 1.
        target: Integer labels (N, H, W).
        alpha: Weight of false positives.
        beta: Weight of false negatives; beta > alpha favours recall.
        gamma: Exponent of the term of each class, > 0.
        smooth: The term s, in pixels, which is added to numerator and denominator.
        ignore_index: Label of void pixels, which enter no sum.
        over: 'batch' sums over the pixels of all images together, 'sample' over those of each image.

    Returns:
        A scalar; float64 if ``logits`` are float64, else float32.

    Raises:
        ValueError: Alpha, beta or smooth is negative, alpha = beta = 0, gamma <= 0, ``over`` is unknown, or
            :func:`~plugins.losses.inputs.labelled_pixels` refuses the input.
    """
    return weighted_tversky_loss(
        logits, target, alpha=alpha, beta=beta, gamma=gamma, smooth=smooth, ignore_index=ignore_index, over=over
    )


def weighted_tversky_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    smooth: float,
    ignore_index: Optional[int],
    weight: Optional[Tensor] = None,
    class_weight: Union[Sequence[float], Tensor, None] = None,
    over: str = 'batch',
) -> Tensor:
    """:func:`tversky_loss` with a weight for each pixel in its sums and a weight for each class in its mean.

    The other arguments, the result and the errors are those of :func:`tversky_loss`.

    Args:
        weight: Weight of each pixel (N, H, W). A class whose pixels all have weight 0 counts as absent.
        class_weight: Weight of each class (C,); the mean becomes sum(class_weight * L_c) / sum(class_weight) over the
            classes that are present. An image that only has classes of weight 0 counts as an image without valid
            pixels.
    """
    check_tversky(alpha, beta, gamma, smooth, over)
    pixels = labelled_pixels(logits, target, ignore_index, weight)
    class_weight = class_weights(class_weight, pixels.logits)
    true_pos, false_pos, false_neg = _soft_counts(*pixels, over)
    errors = alpha * false_pos + beta * false_neg
    eps = torch.finfo(errors.dtype).eps  # only for an absent class, or for beta = 0 and an empty prediction
    losses = errors / (true_pos + errors + smooth).clamp(min=eps)
    if gamma != 1:
        losses = losses.clamp(min=eps) ** gamma  # for gamma < 1 the slope at 0 is infinite
    present = (true_pos + false_neg).detach() > 0
    share = class_weight * present
    if over == 'batch':
        return weighted_mean(losses, share)
    return weighted_mean(weighted_mean(losses, share, dim=1), (share.sum(1) > 0).to(share.dtype))


def _soft_counts(logits: Tensor, labels: Tensor, weight: Tensor, over: str) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted true positives, false positives and false negatives; (C,) each, or (N, C) for ``over='sample'``."""
    dims = (0, 2, 3) if over == 'batch' else (2, 3)
    probs = logits.softmax(1) * weight.unsqueeze(1)
    own = one_hot(labels, logits.shape[1])
    true_pos = (probs * own).sum(dims)
    # Clamped, because rounding could make the difference of two sums slightly negative.
    size = (weight.unsqueeze(1) * own).sum(dims)
    return true_pos, (probs.sum(dims) - true_pos).clamp(min=0), (size - true_pos).clamp(min=0)


def check_tversky(alpha: float, beta: float, gamma: float, smooth: float, over: str) -> None:
    """Check the parameters of :func:`tversky_loss`.

    Raises:
        ValueError: See :func:`tversky_loss`.
    """
    for name, value in (('alpha', alpha), ('beta', beta), ('gamma', gamma), ('smooth', smooth)):
        check_number(name, value)
    if alpha < 0 or beta < 0 or alpha + beta == 0:
        raise ValueError(
            f'alpha={alpha}, beta={beta}: the weights of false positives and false negatives '
            'are non-negative and not both 0'
        )
    if gamma <= 0:
        raise ValueError(f'gamma={gamma}: the exponent must be positive')
    if smooth < 0:
        raise ValueError(f'smooth={smooth}: must not be negative')
    if over not in ('batch', 'sample'):
        raise ValueError(f"over={over!r}: sums go over the 'batch' or over each 'sample'")


@MODELS.register_module()
class GeneralTverskyLoss(WeightedLoss):
    """The module of :func:`tversky_loss`. (The TverskyLoss of mmsegmentation requires alpha + beta = 1.)

    Args:
        alpha: Weight of false positives.
        beta: Weight of false negatives.
        gamma: Exponent of the term of each class.
        smooth: Added to numerator and denominator, in pixels.
        class_weight: One weight for each class in the mean over classes.
        loss_weight: Factor of the loss.
        loss_name: Key in the training log.
        over: 'batch' sums over all images together, 'sample' over each image.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        gamma: float = 1.0,
        smooth: float = 0.0,
        class_weight: Optional[Sequence[float]] = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_tversky',
        over: str = 'batch',
    ) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        check_tversky(alpha, beta, gamma, smooth, over)
        self.alpha, self.beta, self.gamma, self.smooth, self.over = alpha, beta, gamma, smooth, over

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Optional[Tensor] = None,
        ignore_index: Optional[int] = 255,
        reduction_override: Optional[str] = None,
    ) -> Tensor:
        """The loss of a batch. ``reduction_override`` must be None or 'mean': the loss has no value per pixel."""
        refuse_per_pixel(reduction_override, type(self).__name__)
        return self.loss_weight * weighted_tversky_loss(
            seg_logits,
            seg_label,
            alpha=self.alpha,
            beta=self.beta,
            gamma=self.gamma,
            smooth=self.smooth,
            ignore_index=ignore_index,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            over=self.over,
        )
