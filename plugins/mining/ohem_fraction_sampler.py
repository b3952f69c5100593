"""Online hard example mining of pixels, by a share of each image instead of a number of pixels."""

# N images, C classes, H×W pixels
import math
from typing import Optional

import torch
import torch.nn.functional as F
from mmseg.registry import TASK_UTILS
from torch import Tensor, nn

from plugins.arguments import check_number
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
    """The pixels of each image with the lowest probability of the true class.

    Of the n valid pixels of an image, the ``round(fraction * n)`` hardest are kept, at least one. Of equally hard
    pixels, the first in reading order are kept. With ``thresh``, each pixel whose true class has a probability below
    ``thresh`` is kept as well; early in training these are nearly all pixels.

    Sources: Shrivastava et al., "Training Region-based Object Detectors with Online Hard Example Mining", CVPR 2016;
    for pixels: Wu et al., "High-performance Semantic Segmentation Using Very Deep Fully Convolutional Networks", 2016.

    Args:
        logits: (N, C, H, W). C = 1 is a sigmoid map of class 1 against class 0.
        target: Integer labels (N, H, W).
        fraction: Share of the valid pixels of an image that is always kept, in (0, 1].
        thresh: Probability in (0, 1] below which a pixel is always kept; None uses the fraction alone.
        ignore_index: Label of void pixels, which are never kept.

    Returns:
        Whether each pixel is kept, bool (N, H, W).

    Raises:
        ValueError: ``fraction`` or ``thresh`` is out of range, or
            :func:`~plugins.losses.inputs.labelled_pixels` refuses the input.
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
    check_number('fraction', fraction)
    if thresh is not None:
        check_number('thresh', thresh)
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction={fraction}: the share of pixels to keep lies in (0, 1]')
    if thresh is not None and not 0 < thresh <= 1:
        raise ValueError(f'thresh={thresh}: a probability in (0, 1], or None to keep the fraction alone')


@TASK_UTILS.register_module()
class OHEMFractionSampler(nn.Module):
    """Pixel sampler of mmsegmentation's heads that keeps :func:`hardest_pixels`.

    .. code:: python

        decode_head=dict(sampler=dict(type='OHEMFractionSampler', fraction=0.2, thresh=0.7))

    mmsegmentation's OHEMPixelSampler keeps ``min_kept`` pixels per image, 100000 by default. A crop of 96×96 has fewer
    pixels, so there it silently keeps all. This sampler ranks pixels by the probability of the true class and not by
    the loss of the head, so it works with any loss that takes a weight per pixel.

    If k of the v valid pixels of the batch are kept, their weight is v / k; the weight of all other pixels is 0.
    mmsegmentation's cross entropy divides by the number of pixels and not by the sum of their weights. With weights of
    1 and 0, the loss and its gradients would be k / v times the mean over the kept pixels. With v / k, the loss is that
    mean (with avg_non_ignore=False, as always, times the share of valid pixels). The losses in ``plugins/losses``
    divide by the sum of the weights, so they are the mean in both cases.

    Args:
        context: The head, passed by mmsegmentation; its ``ignore_index`` is used.
        fraction: Share of the valid pixels of an image that is always kept.
        thresh: Probability of the true class below which a pixel is always kept; None uses the fraction alone.

    Raises:
        ValueError: ``fraction`` or ``thresh`` is out of range.
    """

    def __init__(self, context: nn.Module, fraction: float = 0.2, thresh: Optional[float] = None) -> None:
        super().__init__()
        _check(fraction, thresh)
        # The head is not stored: it holds this module, and torch cannot walk a cycle of modules.
        self.ignore_index = context.ignore_index
        self.fraction, self.thresh = fraction, thresh
        # A tensor, because reading a Python number at each step would stall a GPU.
        self.register_buffer('thinned', torch.zeros((), dtype=torch.long), persistent=False)

    @property
    def acted(self) -> int:
        """The number of batches in which a valid pixel was left out."""
        return int(self.thinned)  # type: ignore[arg-type]

    @torch.no_grad()
    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor:
        """Weights v / k or 0 of the pixels, float32 (N, H, W); labels are (N, 1, H, W) or (N, H, W)."""
        labels = seg_label.squeeze(1) if seg_label.dim() == 4 else seg_label
        kept = hardest_pixels(
            seg_logit,
            labels,
            fraction=self.fraction,
            thresh=self.thresh,
            ignore_index=self.ignore_index,  # type: ignore[arg-type]
        )
        valid = torch.ones_like(kept) if self.ignore_index is None else labels != self.ignore_index
        self.thinned += (kept != valid).any()  # type: ignore[operator]
        return kept.float() * (valid.sum() / kept.sum().clamp(min=1)).float()  # type: ignore[attr-defined]
