"""What every softmax loss here reads: checked logits in full precision, labels, and one weight per pixel."""
# N images, C classes, H×W pixels
from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor


class LabelledPixels(NamedTuple):
    """The checked input of a loss.

    Attributes:
        logits: (N, C, H, W), float64 if given float64, else float32.
        labels: (N, H, W) int64 in 0..C-1; void pixels carry 0 and must be told by their weight.
        weight: (N, H, W) in the dtype of ``logits``; the pixel weight, 0 at void pixels.
    """
    logits: Tensor
    labels: Tensor
    weight: Tensor


def labelled_pixels(logits: Tensor, target: Tensor, ignore_index: Optional[int],
                    weight: Optional[Tensor] = None) -> LabelledPixels:
    """Check a batch and bring it to full precision.

    Half precision is left at once, so that a loss is the same under autocast as without it. Labels out of range are
    reported on the CPU; on an accelerator the check would stall the stream, and indexing asserts there by itself.

    Args:
        logits: (N, C, H, W) floating point, C >= 2.
        target: (N, H, W) integer labels.
        ignore_index: label of void pixels; None when there are none.
        weight: (N, H, W) weight per pixel; a pixel of weight 0 counts as little as a void one.

    Raises:
        ValueError: for a single sigmoid channel, shapes that do not fit, or a label that no class has.
        TypeError: if ``target`` is not of an integer type.
    """
    _check_shapes(logits, target, weight)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    void = torch.zeros_like(target, dtype=torch.bool) if ignore_index is None else target == ignore_index
    labels = target.long().masked_fill(void, 0)
    if labels.device.type == 'cpu':
        _check_labels(labels, logits.shape[1], ignore_index)
    weight = torch.ones_like(labels, dtype=logits.dtype) if weight is None else weight.to(logits.dtype)
    return LabelledPixels(logits, labels, weight.masked_fill(void, 0))


def class_weights(values: Union[Sequence[float], Tensor, None], like: Tensor) -> Tensor:
    """One weight per class, (C,), in the dtype and on the device of ``like`` (N, C, H, W); ones when None.

    Raises:
        ValueError: if there is not one weight per class, or :func:`check_class_weights` refuses them. A tensor's values
            are not read, which on an accelerator would stall the stream.
    """
    num_classes = like.shape[1]
    if values is None:
        return like.new_ones(num_classes)
    if not isinstance(values, Tensor):
        check_class_weights(values)
    if len(values) != num_classes:
        raise ValueError(f'{len(values)} class weights for {num_classes} classes: give one per class')
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def check_class_weights(values: Sequence[float]) -> None:
    """Raise ValueError unless the weights are non-negative and not all 0."""
    if min(values) < 0 or max(values) == 0:
        raise ValueError(f'class weights {list(values)}: they are non-negative and not all 0')


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """sum(weight * values) / sum(weight); 0, with a gradient of 0, when every weight is 0 (an all-void batch)."""
    total = weight.sum()
    return (weight * values).sum() / torch.where(total > 0, total, torch.ones_like(total))


def reduced(values: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Reduce (N, H, W) losses under their pixel weights.

    Args:
        values: loss per pixel.
        weight: weight per pixel, 0 at void.
        reduction: 'mean' is :func:`weighted_mean`; 'sum' is sum(weight * values); 'none' is weight * values.

    Raises:
        ValueError: for any other reduction.
    """
    if reduction == 'mean':
        return weighted_mean(values, weight)
    if reduction not in ('sum', 'none'):
        raise ValueError(f"reduction={reduction!r}: use 'mean', 'sum' or 'none'")
    weighted = weight * values
    return weighted.sum() if reduction == 'sum' else weighted


def _check_shapes(logits: Tensor, target: Tensor, weight: Optional[Tensor]) -> None:
    if logits.dim() != 4:
        raise ValueError(f'logits of shape {tuple(logits.shape)}: expected (N, C, H, W)')
    if logits.shape[1] == 1:
        raise ValueError('logits with one (sigmoid) channel: this loss takes a softmax over classes; '
                         'set out_channels=2 (and num_classes=2) in the decode head')
    pixels = (logits.shape[0], *logits.shape[2:])
    if tuple(target.shape) != pixels:
        raise ValueError(f'target of shape {tuple(target.shape)} for logits of shape {tuple(logits.shape)}: '
                         f'expected (N, H, W) = {pixels}')
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f'target of type {target.dtype}: labels are integers, use target.long()')
    if weight is not None and tuple(weight.shape) != pixels:
        raise ValueError(f'weight of shape {tuple(weight.shape)}: expected one weight per pixel, (N, H, W) = {pixels}; '
                         'class weights go to alpha or class_weight')


def _check_labels(labels: Tensor, num_classes: int, ignore_index: Optional[int]) -> None:
    if labels.numel() == 0:
        return
    low, high = (int(value) for value in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise ValueError(f'label {low if low < 0 else high} in the target, but the logits have classes '
                         f'0..{num_classes - 1} and ignore_index={ignore_index}: '
                         'check num_classes, reduce_zero_label and the annotation files')
