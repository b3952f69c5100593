"""Soft Dice loss over softmax probabilities (Milletari et al. 2016, but without squares in the denominator)."""

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
    r"""One minus the soft Dice coefficient, averaged over the classes that are present.

    With softmax probabilities p, one-hot labels g and sums over all valid pixels of the batch (or of each sample),

    .. math:: L = \operatorname{mean}_{c\ \text{present}}
              \left(1 - \frac{2 \sum p_c g_c + s}{\sum p_c + \sum g_c + s}\right)

    Milletari et al. square the terms of the denominator; here they are not squared. The loss equals the Tversky loss
    with alpha = beta = 1/2 and half the ``smooth``. :func:`plugins.losses.tversky.tversky_loss` describes the treatment
    of absent classes and of batches without valid pixels.

    Sources: Milletari et al., "V-Net", 3DV 2016; Drozdzal et al., "The importance of skip connections", DLMIA 2016.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1; the loss is that of classes 0 and 1.
        target: Integer labels (N, H, W).
        smooth: The term s, in pixels, which is added to numerator and denominator.
        ignore_index: Label of void pixels, which enter no sum.
        over: 'batch' sums over the pixels of all images together. 'sample' sums over the pixels of each image; the
            loss is the mean over images.

    Returns:
        A scalar in [0, 1]; float64 if ``logits`` are float64, else float32.

    Raises:
        ValueError: ``smooth`` is negative, ``over`` is unknown, or
            :func:`~plugins.losses.inputs.labelled_pixels` refuses the input.
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
    # Dividing the numerator and denominator of Dice by two gives Tversky with s / 2.
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
    """The module of :func:`dice_loss`. (The DiceLoss of mmsegmentation keeps void pixels in the denominator.)

    Args:
        smooth: Added to numerator and denominator, in pixels.
        class_weight: One weight for each class in the mean over classes.
        loss_weight: Factor of the loss.
        loss_name: Key in the training log.
        over: 'batch' sums over all images together, 'sample' over each image.
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
        """The loss of a batch. ``reduction_override`` must be None or 'mean': the loss has no value per pixel."""
        refuse_per_pixel(reduction_override, type(self).__name__)
        return self.loss_weight * weighted_dice_loss(
            seg_logits,
            seg_label,
            smooth=self.smooth,
            ignore_index=ignore_index,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            over=self.over,
        )
