"""Two losses that use the distance to class boundaries: a distance-map integral and a weighted cross entropy."""

# N images, C classes, H×W pixels
from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from plugins.arguments import check_number
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

    Omega is the set of valid pixels of the batch. phi, in pixels, is negative inside the class and 0 on its border
    pixels (:func:`plugins.losses.distance_maps.signed_distance_maps_px`). The mean is over all C classes, as in the
    authors' code; a class that an image lacks contributes 0. The loss is negative for a good prediction. It is linear
    in p, so it is used together with a regional loss, with a weight of about 0.01. A batch without valid pixels gives
    0.

    Source: Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1; the loss is that of classes 0 and 1.
        target: Integer labels (N, H, W).
        weight: Weight of each pixel (N, H, W); the mean over pixels becomes sum(weight * x) / sum(weight).
        class_weight: Weight of each class (C,) in the mean over classes. Weight 0 for the background gives the
            authors' ``idc``.
        ignore_index: Label of void pixels, which do not count in the mean and are neither inside nor outside a class.
        reduction: 'mean' as above; 'sum' or 'none' of the pixel's weight times its mean over classes.

    Returns:
        A scalar in pixels, or (N, H, W) for ``reduction='none'``; float64 if ``logits`` are float64, else float32.

    Raises:
        ValueError: :func:`~plugins.losses.inputs.labelled_pixels` refuses the input.
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
    r"""Cross entropy with larger weights near boundaries between classes.

    .. math:: L = \frac{\sum_x w(x)\, \mathrm{CE}(x)}{\sum_x w(x)}, \qquad
              w(x) = 1 + w_0 \exp\left(-\frac{d(x)^2}{2 \sigma^2}\right)

    d is the distance to the nearest pixel of another class, minus one: pixels on both sides of a boundary have d = 0.
    In an image of a single class, w = 1. The division by the sum of w, which U-Net leaves out, keeps the loss as large
    as a plain cross entropy, so that the technique does not also change the step size. A batch without valid pixels
    gives 0.

    Source: the weight map of Ronneberger et al., "U-Net", MICCAI 2015, with the distance to the nearest boundary
    instead of the distances to the two nearest cells.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1 against class 0.
        target: Integer labels (N, H, W).
        w0: Extra weight on the boundary; 0 is the plain cross entropy.
        sigma_px: Width of the weighted band, in pixels.
        weight: Weight of each pixel (N, H, W), a factor of w.
        class_weight: Weight of each class (C,), a factor of w.
        ignore_index: Label of void pixels, which do not count in the mean and form no boundary.
        reduction: 'mean' as above; 'sum' or 'none' of w · CE.

    Returns:
        A scalar, or (N, H, W) for ``reduction='none'``; float64 if ``logits`` are float64, else float32.

    Raises:
        ValueError: W0 < 0, sigma_px <= 0, or :func:`~plugins.losses.inputs.labelled_pixels` refuses the input.
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
    check_number('w0', w0)
    check_number('sigma_px', sigma_px)
    if w0 < 0:
        raise ValueError(f'w0={w0}: a negative weight would shun the boundary; use w0 >= 0')
    if sigma_px <= 0:
        raise ValueError(f'sigma_px={sigma_px}: the width of the band must be positive')


@MODELS.register_module()
class KervadecBoundaryLoss(WeightedLoss):
    """The module of :func:`boundary_loss`. (The BoundaryLoss of mmsegmentation is that of PIDNet.)

    Args:
        class_weight: One weight for each class in the mean over classes.
        loss_weight: Factor of the loss. The default is small, because the unit of the loss is a pixel.
        loss_name: Key in the training log.
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
        """The loss of a batch. mmseg's OHEM sampler passes ``reduction_override='none'`` to rank pixels."""
        return self.loss_weight * boundary_loss(
            seg_logits,
            seg_label,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )


@MODELS.register_module()
class BoundaryWeightedCrossEntropyLoss(WeightedLoss):
    """The module of :func:`boundary_weighted_cross_entropy`.

    Args:
        w0: Extra weight on the boundary.
        sigma_px: Width of the weighted band, in pixels.
        class_weight: One weight for each class, a factor of the weights of its pixels.
        loss_weight: Factor of the loss.
        loss_name: Key in the training log.
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
        """The loss of a batch. mmseg's OHEM sampler passes ``reduction_override='none'`` to rank pixels."""
        return self.loss_weight * boundary_weighted_cross_entropy(
            seg_logits,
            seg_label,
            w0=self.w0,
            sigma_px=self.sigma_px,
            weight=weight,
            class_weight=self.class_weight,  # type: ignore[arg-type]
            ignore_index=ignore_index,
            reduction=reduction_override or 'mean',
        )
