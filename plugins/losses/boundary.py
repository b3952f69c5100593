"""Two losses that know where the boundary is: a distance-map integral and a weighting of the cross entropy."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from plugins.losses.distance_maps import distance_to_boundary_px, signed_distance_maps_px
from plugins.losses.inputs import class_weights, labelled_pixels, reduced
from plugins.losses.weighted_loss import WeightedLoss

PerClass = Union[Sequence[float], Tensor, None]


def boundary_loss(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Optional[Tensor] = None,
    class_weight: PerClass = None,
    ignore_index: Optional[int] = 255,
    reduction: str = 'mean',
) -> Tensor:
    r"""Softmax probability times signed distance to the class, averaged over valid pixels and classes.

    .. math:: L = \frac{1}{C\,|\Omega|} \sum_{x \in \Omega} \sum_c p_c(x)\, \phi_c(x)

    Omega is the batch's valid pixels; phi, in pixels, is negative inside of the class and 0 on its border pixels
    (:func:`plugins.losses.distance_maps.signed_distance_maps_px`). The mean is over all C classes, as in the authors'
    code; a class that an image lacks adds 0 there. The loss is negative for a good prediction and is linear in p,
    so it is used beside a regional loss, with a weight about 0.01. An all-void batch gives 0.

    Source: Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019.

    Args:
        logits: (N, C, H, W); C = 1 is a sigmoid map of class 1, whose loss is that of both classes.
        target: (N, H, W) integer labels.
        weight: (N, H, W) weight per pixel; the mean over pixels becomes sum(weight * x) / sum(weight).
        class_weight: (C,); the mean over classes likewise. 0 for the background is the authors' ``idc``.
        ignore_index: label of void pixels: not averaged over, and neither inside nor outside of any class.
        reduction: 'mean' as above; 'sum' or 'none' of each pixel's weight times its mean over classes.

    Returns:
        A scalar in pixels, or (N, H, W) for ``reduction='none'``; float64 if ``logits`` are, else float32.

    Raises:
        ValueError: for input that :func:`~plugins.losses.inputs.labelled_pixels` refuses.
    """
    pixels = labelled_pixels(logits, target, ignore_index, weight)
    signed = signed_distance_maps_px(target, pixels.logits.shape[1], ignore_index).to(pixels.logits.dtype)
    share = class_weights(class_weight, pixels.logits)
    share = (share / share.sum()).view(1, -1, 1, 1)
    return reduced((pixels.logits.softmax(1) * signed.mul_(share)).sum(1), pixels.weight, reduction)


def boundary_weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    w0: float = 10.0,
    sigma_px: float = 5.0,
    weight: Optional[Tensor] = None,
    class_weight: PerClass = None,
    ignore_index: Optional[int] = 255,
    reduction: str = 'mean',
) -> Tensor:
    r"""Cross entropy that counts more near a boundary between classes.

    .. math:: L = \frac{\sum_x w(x)\, \mathrm{CE}(x)}{\sum_x w(x)}, \qquad
              w(x) = 1 + w_0 \exp\left(-\frac{d(x)^2}{2 \sigma^2}\right)

    d is the distance to the nearest pixel of another class, less one, so both sides of a boundary have d = 0; w = 1 in
    an image of one class. Dividing by the sum of w (U-Net does not) keeps the size of the loss that of a plain cross
    entropy: the technique moves attention and not, unseen, the step size. An all-void batch gives 0.

    Source: the weight map of Ronneberger et al., "U-Net", MICCAI 2015, with the distance to one boundary instead of
    the two nearest cells.

    Args:
        logits: (N, C, H, W); C = 1 is a sigmoid map of class 1 against class 0.
        target: (N, H, W) integer labels.
        w0: extra weight on the boundary; 0 is the plain cross entropy.
        sigma_px: width of the weighted band, in pixels.
        weight: (N, H, W) weight per pixel, multiplied into w.
        class_weight: (C,), multiplied into w as well.
        ignore_index: label of void pixels: not averaged over, and no boundary.
        reduction: 'mean' as above; 'sum' or 'none' of w CE.

    Returns:
        A scalar, or (N, H, W) for ``reduction='none'``; float64 if ``logits`` are, else float32.

    Raises:
        ValueError: for w0 < 0, sigma_px <= 0, or input that :func:`~plugins.losses.inputs.labelled_pixels` refuses.
    """
    _check_band(w0, sigma_px)
    pixels = labelled_pixels(logits, target, ignore_index, weight)
    distance = distance_to_boundary_px(target, pixels.logits.shape[1], ignore_index).to(pixels.logits.dtype)
    band = 1 + w0 * torch.exp(-0.5 * (distance / sigma_px) ** 2)
    if class_weight is not None:
        band = band * class_weights(class_weight, pixels.logits)[pixels.labels]
    losses = F.cross_entropy(pixels.logits, pixels.labels, reduction='none')
    return reduced(losses, band * pixels.weight, reduction)


def _check_band(w0: float, sigma_px: float) -> None:
    if w0 < 0:
        raise ValueError(f'w0={w0}: a negative weight would shun the boundary; use w0 >= 0')
    if sigma_px <= 0:
        raise ValueError(f'sigma_px={sigma_px}: the width of the band must be positive')


@MODELS.register_module()
class KervadecBoundaryLoss(WeightedLoss):
    """Module of :func:`boundary_loss` (mmsegmentation's own BoundaryLoss is PIDNet's).

    Args:
        class_weight: one weight per class in the mean over classes.
        loss_weight: factor of the loss, whose unit is a pixel: hence the small default.
        loss_name: key in the training log.
    """

    def __init__(
        self,
        class_weight: Optional[Sequence[float]] = None,
        loss_weight: float = 0.01,
        loss_name: str = 'loss_boundary',
    ) -> None:
        super().__init__(loss_weight, loss_name, class_weight)

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Optional[Tensor] = None,
        ignore_index: Optional[int] = 255,
        reduction_override: Optional[str] = None,
    ) -> Tensor:
        """Loss of a batch; mmseg's OHEM sampler asks for ``reduction_override='none'`` to rank pixels."""
        return self.loss_weight * boundary_loss(
            seg_logits,
            seg_label,
            weight=weight,
            class_weight=self.class_weight,
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )


@MODELS.register_module()
class BoundaryWeightedCrossEntropyLoss(WeightedLoss):
    """Module of :func:`boundary_weighted_cross_entropy`.

    Args:
        w0: extra weight on the boundary.
        sigma_px: width of the weighted band, in pixels.
        class_weight: one weight per class, multiplied into the pixels'.
        loss_weight: factor of the loss.
        loss_name: key in the training log.
    """

    def __init__(
        self,
        w0: float = 10.0,
        sigma_px: float = 5.0,
        class_weight: Optional[Sequence[float]] = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_boundary_ce',
    ) -> None:
        super().__init__(loss_weight, loss_name, class_weight)
        _check_band(w0, sigma_px)
        self.w0, self.sigma_px = w0, sigma_px

    def forward(
        self,
        seg_logits: Tensor,
        seg_label: Tensor,
        weight: Optional[Tensor] = None,
        ignore_index: Optional[int] = 255,
        reduction_override: Optional[str] = None,
    ) -> Tensor:
        """Loss of a batch; mmseg's OHEM sampler asks for ``reduction_override='none'`` to rank pixels."""
        return self.loss_weight * boundary_weighted_cross_entropy(
            seg_logits,
            seg_label,
            w0=self.w0,
            sigma_px=self.sigma_px,
            weight=weight,
            class_weight=self.class_weight,
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )
