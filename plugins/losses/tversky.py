"""Tversky and focal Tversky loss (Salehi et al. 2017; Abraham & Khan 2019)."""
# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
from mmseg.registry import MODELS
from torch import Tensor

from plugins.losses.inputs import class_weights, labelled_pixels, weighted_mean
from plugins.losses.weighted_loss import WeightedLoss


def tversky_loss(logits: Tensor, target: Tensor, *, alpha: float = 0.5, beta: float = 0.5, gamma: float = 1.0,
                 smooth: float = 0.0, ignore_index: Optional[int] = 255) -> Tensor:
    r"""One minus the soft Tversky index, averaged over the classes present in the batch.

    With softmax probabilities p, one-hot labels g and sums over all valid pixels of the batch,
    TP = sum(p g), FP = sum(p (1 - g)), FN = sum((1 - p) g) for each class, and

    .. math:: L = \operatorname{mean}_{c\ \text{present}}
              \left(1 - \frac{TP_c + s}{TP_c + \alpha FP_c + \beta FN_c + s}\right)^\gamma

    A class without a valid pixel in the batch's target is left out of the mean: its index would be 0 whatever is
    predicted. Its false positives are still paid for, as false negatives of the classes that are there.
    An all-void batch gives 0.

    Sources: Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional deep networks",
    MLMI 2017; gamma: Abraham & Khan, "A novel focal Tversky loss function", ISBI 2019, who write the exponent as
    1/gamma: their gamma = 4/3 is 0.75 here.

    Args:
        logits: (N, C, H, W), C >= 2.
        target: (N, H, W) integer labels.
        alpha: weight of false positives.
        beta: weight of false negatives; beta > alpha favours recall.
        gamma: exponent of each class's term, > 0.
        smooth: s, added above and below the fraction, in pixels.
        ignore_index: label of void pixels, which enter no sum.

    Returns:
        A scalar; float64 if ``logits`` are, else float32.

    Raises:
        ValueError: for negative alpha, beta or smooth, alpha = beta = 0, gamma <= 0, or input that
            :func:`~plugins.losses.inputs.labelled_pixels` refuses.
    """
    return weighted_tversky_loss(logits, target, alpha=alpha, beta=beta, gamma=gamma, smooth=smooth,
                                 ignore_index=ignore_index)


def weighted_tversky_loss(logits: Tensor, target: Tensor, *, alpha: float, beta: float, gamma: float, smooth: float,
                          ignore_index: Optional[int], weight: Optional[Tensor] = None,
                          class_weight: Union[Sequence[float], Tensor, None] = None) -> Tensor:
    """:func:`tversky_loss` with a weight per pixel in its sums and a weight per class in its mean.

    Args:
        weight: (N, H, W); a class whose pixels all have weight 0 counts as absent.
        class_weight: (C,); the mean becomes sum(class_weight * L_c) / sum(class_weight) over the classes present.

    The other arguments, the result and the errors are those of :func:`tversky_loss`.
    """
    _check_parameters(alpha, beta, gamma, smooth)
    pixels = labelled_pixels(logits, target, ignore_index, weight)
    class_weight = class_weights(class_weight, pixels.logits)
    true_pos, false_pos, false_neg = _soft_counts(pixels.logits, pixels.labels, pixels.weight)
    errors = alpha * false_pos + beta * false_neg
    eps = torch.finfo(errors.dtype).eps  # reached only when absent, or beta = 0 and nothing predicted
    losses = errors / (true_pos + errors + smooth).clamp(min=eps)
    if gamma != 1:
        losses = losses.clamp(min=eps) ** gamma  # for gamma < 1 the slope at 0 is infinite
    present = (true_pos + false_neg).detach() > 0
    return weighted_mean(losses, class_weight * present)


def _soft_counts(logits: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """True positives, false positives and false negatives of each class, (C,) each, in weighted pixels."""
    probs = logits.softmax(1) * weight.unsqueeze(1)
    own = labels.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    true_pos = (probs * own).sum((0, 2, 3))
    # a sum of zeros and ones (times weights): rounding could make a difference of such sums slightly negative
    size = (weight.unsqueeze(1) * own).sum((0, 2, 3))
    return true_pos, (probs.sum((0, 2, 3)) - true_pos).clamp(min=0), (size - true_pos).clamp(min=0)


def _check_parameters(alpha: float, beta: float, gamma: float, smooth: float) -> None:
    if alpha < 0 or beta < 0 or alpha + beta == 0:
        raise ValueError(f'alpha={alpha}, beta={beta}: the weights of false positives and false negatives '
                         'are non-negative and not both 0')
    if gamma <= 0:
        raise ValueError(f'gamma={gamma}: the exponent must be positive')
    if smooth < 0:
        raise ValueError(f'smooth={smooth}: must not be negative')


@MODELS.register_module()
class GeneralTverskyLoss(WeightedLoss):
    """Module of :func:`tversky_loss` (mmsegmentation's own TverskyLoss insists on alpha + beta = 1).

    Args:
        alpha: weight of false positives.
        beta: weight of false negatives.
        gamma: exponent of each class's term.
        smooth: added above and below the fraction, in pixels.
        class_weight: one weight per class in the mean over classes.
        loss_weight: factor of the loss.
        loss_name: key in the training log.
    """

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, gamma: float = 1.0, smooth: float = 0.0,
                 class_weight: Optional[Sequence[float]] = None, loss_weight: float = 1.0,
                 loss_name: str = 'loss_tversky') -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        _check_parameters(alpha, beta, gamma, smooth)
        self.alpha, self.beta, self.gamma, self.smooth = alpha, beta, gamma, smooth

    def forward(self, seg_logits: Tensor, seg_label: Tensor, weight: Optional[Tensor] = None,
                ignore_index: Optional[int] = 255) -> Tensor:
        """Loss of a batch: logits (N, C, H, W), labels and optional pixel weights (N, H, W)."""
        return self.loss_weight * weighted_tversky_loss(
            seg_logits, seg_label, alpha=self.alpha, beta=self.beta, gamma=self.gamma, smooth=self.smooth,
            ignore_index=ignore_index, weight=weight, class_weight=self.class_weight)
