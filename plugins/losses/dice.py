"""Soft Dice loss over softmax probabilities (Milletari et al. 2016, with first powers below)."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

from mmseg.registry import MODELS
from torch import Tensor

from plugins.losses.inputs import refuse_per_pixel
from plugins.losses.tversky import check_tversky, weighted_tversky_loss
from plugins.losses.weighted_loss import WeightedLoss


def dice_loss(
    logits: Tensor, target: Tensor, *, smooth: float = 0.0, ignore_index: Optional[int] = 255, over: str = 'batch'
) -> Tensor:
    r"""One minus the soft Dice coefficient, averaged over the classes present.

    With softmax probabilities p, one-hot labels g and sums over all valid pixels of the batch (or of each sample),

    .. math:: L = \operatorname{mean}_{c\ \text{present}}
              \left(1 - \frac{2 \sum p_c g_c + s}{\sum p_c + \sum g_c + s}\right)

    The denominator holds first powers; Milletari et al. square its terms. It equals the Tversky loss with
    alpha = beta = 1/2 (and half the ``smooth``), and treats classes absent from the batch and all-void batches alike:
    see :func:`plugins.losses.tversky.tversky_loss`.

    Sources: Milletari et al., "V-Net", 3DV 2016; Drozdzal et al., "The importance of skip connections", DLMIA 2016.

    Args:
        logits: (N, C, H, W); C = 1 is a sigmoid map of class 1, whose loss is that of both classes.
        target: (N, H, W) integer labels.
        smooth: s, added above and below the fraction, in pixels.
        ignore_index: label of void pixels, which enter no sum.
        over: 'batch' sums over the pixels of all images together; 'sample' over those of each image, and the loss is
            the mean over images, as the mean over images of a score.

    Returns:
        A scalar in [0, 1]; float64 if ``logits`` are, else float32.

    Raises:
        ValueError: for negative ``smooth``, another ``over``, or input that
            :func:`~plugins.losses.inputs.labelled_pixels` refuses.
    """
    return weighted_dice_loss(logits, target, smooth=smooth, ignore_index=ignore_index, over=over)


def weighted_dice_loss(
    logits: Tensor,
    target: Tensor,
    *,
    smooth: float,
    ignore_index: Optional[int],
    weight: Optional[Tensor] = None,
    class_weight: Union[Sequence[float], Tensor, None] = None,
    over: str = 'batch',
) -> Tensor:
    """:func:`dice_loss` with a weight per pixel (N, H, W) in its sums and a weight per class (C,) in its mean."""
    # dividing Dice's fraction by two gives Tversky's, with s / 2
    return weighted_tversky_loss(
        logits,
        target,
        alpha=0.5,
        beta=0.5,
        gamma=1.0,
        smooth=smooth / 2,
        ignore_index=ignore_index,
        weight=weight,
        class_weight=class_weight,
        over=over,
    )


@MODELS.register_module()
class SoftDiceLoss(WeightedLoss):
    """Module of :func:`dice_loss` (mmsegmentation's own DiceLoss keeps void pixels in the denominator).

    Args:
        smooth: added above and below the fraction, in pixels.
        class_weight: one weight per class in the mean over classes.
        loss_weight: factor of the loss.
        loss_name: key in the training log.
        over: 'batch' or 'sample', what the sums go over.
    """

    def __init__(
        self,
        smooth: float = 0.0,
        class_weight: Optional[Sequence[float]] = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_dice',
        over: str = 'batch',
    ) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        check_tversky(0.5, 0.5, 1.0, smooth, over)
        self.smooth, self.over = smooth, over

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Optional[Tensor] = None,
        ignore_index: Optional[int] = 255,
        reduction_override: Optional[str] = None,
    ) -> Tensor:
        """Loss of a batch; pixels have no loss of their own, so ``reduction_override`` may only be 'mean'."""
        refuse_per_pixel(reduction_override, type(self).__name__)
        return self.loss_weight * weighted_dice_loss(
            seg_logits,
            seg_label,
            smooth=self.smooth,
            ignore_index=ignore_index,
            weight=weight,
            class_weight=self.class_weight,
            over=self.over,
        )
