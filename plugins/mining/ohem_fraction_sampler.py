"""Online hard example mining of pixels, with a share of each image instead of a number of pixels."""

# N images, C classes, H×W pixels
import math
from typing import Optional

import torch
import torch.nn.functional as F
from mmseg.registry import TASK_UTILS
from torch import Tensor, nn

from plugins.losses.inputs import labelled_pixels


@torch.no_grad()
def hardest_pixels(
    logits: Tensor,
    target: Tensor,
    *,
    fraction: float = 0.2,
    thresh: Optional[float] = None,
    ignore_index: Optional[int] = 255,
) -> Tensor:
    """The pixels of each image whose true class has the least probability.

    Of the n valid pixels of an image, the ``round(fraction * n)`` hardest (at least one) are kept; of equally hard
    ones, those that come first. With ``thresh``, so is every pixel whose true class has a probability below it, however many
    these are: early in training all of them.

    Sources: Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example Mining", CVPR 2016;
    of pixels: Wu et al., "High-performance Semantic Segmentation Using Very Deep Fully Convolutional Networks", 2016.

    Args:
        logits: (N, C, H, W); C = 1 is a sigmoid map of class 1 against class 0.
        target: (N, H, W) integer labels.
        fraction: share of an image's valid pixels that is kept whatever its predictions, in (0, 1].
        thresh: probability in (0, 1] below which a pixel is hard in any case; None for the fraction alone.
        ignore_index: label of void pixels, which are never kept.

    Returns:
        (N, H, W) boolean.

    Raises:
        ValueError: for a fraction or a thresh out of range, or input that
            :func:`~plugins.losses.inputs.labelled_pixels` refuses.
    """
    _check(fraction, thresh)
    pixels = labelled_pixels(logits, target, ignore_index)
    valid = pixels.weight.flatten(1) > 0
    losses = F.cross_entropy(pixels.logits, pixels.labels, reduction='none').flatten(1)
    wanted = (valid.sum(1, keepdim=True) * fraction).round().clamp(min=1)
    order = losses.masked_fill(~valid, -1).argsort(dim=1, descending=True, stable=True)  # a cross entropy is >= 0
    first = torch.arange(order.shape[1], device=order.device) < wanted
    kept = torch.zeros_like(valid).scatter_(1, order, first)
    if thresh is not None:
        kept = kept | (losses > -math.log(thresh))
    return (kept & valid).view_as(target)


def _check(fraction: float, thresh: Optional[float]) -> None:
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction={fraction}: the share of pixels to keep lies in (0, 1]')
    if thresh is not None and not 0 < thresh <= 1:
        raise ValueError(f'thresh={thresh}: a probability in (0, 1], or None to keep the fraction alone')


@TASK_UTILS.register_module()
class OHEMFractionSampler(nn.Module):
    """Pixel sampler of mmsegmentation's heads that keeps :func:`hardest_pixels`.

    .. code:: python

        decode_head=dict(sampler=dict(type='OHEMFractionSampler', fraction=0.2, thresh=0.7))

    mmsegmentation's own OHEMPixelSampler keeps ``min_kept`` pixels for each image of the batch, 100000 by default: all
    of them at crops of 96×96, where it does nothing without saying so. Pixels are ranked by the probability of the true
    class, not by the head's loss, so any loss that takes a weight per pixel goes with it.

    The weight of a kept pixel is v / k, of the batch's v valid and k kept pixels, and 0 elsewhere. mmsegmentation's
    cross entropy divides by the number of pixels and not by the sum of their weights: under weights of 1 and 0 it, and
    its gradients, would shrink to k / v of the mean over the kept pixels, and the more the fewer are kept. Under v / k
    it is their mean (with avg_non_ignore=False times the share of valid pixels, as it always is), as are the losses
    here, which divide by the sum of the weights.

    Args:
        context: The head, given by mmsegmentation; its ``ignore_index`` is read.
        fraction: share of an image's valid pixels that is kept whatever its predictions.
        thresh: probability of the true class below which a pixel is kept in any case; None for the fraction alone.
    """

    def __init__(self, context: nn.Module, fraction: float = 0.2, thresh: Optional[float] = None) -> None:
        super().__init__()
        _check(fraction, thresh)
        # not the head itself: it holds this module, and a cycle of modules cannot be walked
        self.ignore_index = context.ignore_index
        self.fraction, self.thresh = fraction, thresh
        # a tensor, because reading it at every step would stall an accelerator
        self.register_buffer('thinned', torch.zeros((), dtype=torch.long), persistent=False)

    @property
    def acted(self) -> int:
        """How many batches had a valid pixel that was left out."""
        return int(self.thinned)

    @torch.no_grad()
    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor:
        """Weights v / k and 0, float32 (N, H, W), for logits (N, C, H, W) and labels (N, 1, H, W) or (N, H, W)."""
        labels = seg_label.squeeze(1) if seg_label.dim() == 4 else seg_label
        kept = hardest_pixels(
            seg_logit, labels, fraction=self.fraction, thresh=self.thresh, ignore_index=self.ignore_index
        )
        valid = torch.ones_like(kept) if self.ignore_index is None else labels != self.ignore_index
        self.thinned += (kept != valid).any()
        return kept.float() * (valid.sum() / kept.sum().clamp(min=1)).float()
