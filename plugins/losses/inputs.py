"""What every loss here reads: checked logits in full precision, labels, and one weight per pixel."""

# N images, C classes, H×W pixels
from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor


class LabelledPixels(NamedTuple):
    """The checked input of a loss.

    Attributes:
        logits: (N, C, H, W), float64 if given float64, else float32; 0 at void pixels and those of weight 0, whatever
            was predicted there.
        labels: (N, H, W) int64 in 0..C-1; void pixels carry 0 and must be told by their weight.
        weight: (N, H, W) in the dtype of ``logits``; the pixel weight, 0 at void pixels.
    """

    logits: Tensor
    labels: Tensor
    weight: Tensor


def labelled_pixels(
    logits: Tensor, target: Tensor, ignore_index: Optional[int], weight: Optional[Tensor] = None
) -> LabelledPixels:
    """Check a batch, bring it to full precision, and give a single sigmoid channel its background.

    Sigmoid logits z of class 1 against class 0 (``out_channels=1`` of an mmseg head) become the softmax logits [0, z],
    for softmax([0, z]) = [1 - sigmoid(z), sigmoid(z)]: a softmax loss then is that of the two classes.

    The arguments are those of :func:`labelled_maps`, and so are the errors.
    """
    pixels = labelled_maps(logits, target, ignore_index, weight)
    if logits.shape[1] > 1:
        return pixels
    two = torch.cat([torch.zeros_like(pixels.logits), pixels.logits], 1)
    return LabelledPixels(two, pixels.labels, pixels.weight)


def labelled_maps(
    logits: Tensor, target: Tensor, ignore_index: Optional[int], weight: Optional[Tensor] = None
) -> LabelledPixels:
    """Check a batch and bring it to full precision, its channels as they are.

    Half precision is left at once, so that a loss is the same under autocast as without it. Labels out of range are
    reported on the CPU; on an accelerator the check would stall the stream, and in a compiled graph it would cut the
    graph: indexing asserts there by itself.

    Args:
        logits: (N, C, H, W) floating point; C = 1 is one sigmoid map, of class 1 against class 0.
        target: (N, H, W) integer labels.
        ignore_index: label of void pixels; None when there are none.
        weight: (N, H, W) weight per pixel; a pixel of weight 0 counts as little as a void one,
            whatever its logits are.

    Raises:
        ValueError: for shapes that do not fit, or a label that no class has.
        TypeError: if ``target`` is not of an integer type.
    """
    _check_shapes(logits, target, weight)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    void = torch.zeros_like(target, dtype=torch.bool) if ignore_index is None else target == ignore_index
    labels = target.long().masked_fill(void, 0)
    if labels.device.type == 'cpu' and not torch.compiler.is_compiling():
        _check_labels(labels, max(logits.shape[1], 2), ignore_index)
    dead = void if weight is None else void | (weight == 0)
    if ignore_index is not None or weight is not None:
        # a weight of 0 is not enough: 0 * inf, of a half-precision overflow in the padding, is NaN
        logits = logits.masked_fill(dead.unsqueeze(1), 0)
    weight = torch.ones_like(labels, dtype=logits.dtype) if weight is None else weight.to(logits.dtype)
    return LabelledPixels(logits, labels, weight.masked_fill(void, 0))


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """(N, C, H, W) boolean: whether the pixel has the class; labels (N, H, W) out of range are refused by indexing."""
    maps = torch.zeros((labels.shape[0], num_classes, *labels.shape[1:]), dtype=torch.bool, device=labels.device)
    return maps.scatter_(1, labels.unsqueeze(1), True)


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
        raise ValueError(
            f'{len(values)} class weights for {num_classes} classes: give one per class'
            f'{" (a single sigmoid channel counts as two classes)" if num_classes == 2 else ""}'
        )
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)


def check_class_weights(values: Sequence[float]) -> None:
    """Raise ValueError unless the weights are non-negative and not all 0."""
    if min(values) < 0 or max(values) == 0:
        raise ValueError(f'class weights {list(values)}: they are non-negative and not all 0')


def weighted_mean(values: Tensor, weight: Tensor, dim: Optional[int] = None) -> Tensor:
    """sum(weight * values) / sum(weight), along ``dim`` or of all.

    0, with a gradient of 0, where every weight is 0 (an all-void batch).
    """
    total = weight.sum(dim)
    return (weight * values).sum(dim) / torch.where(total > 0, total, torch.ones_like(total))


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


def refuse_per_pixel(reduction: Optional[str], loss: str) -> None:
    """Raise ValueError unless a ``reduction_override`` is None or 'mean', for a loss that is a ratio of sums.

    Args:
        reduction: as mmsegmentation passes it.
        loss: name of the loss, for the message.
    """
    if reduction not in (None, 'mean'):
        raise ValueError(
            f'{loss} is a ratio of sums over pixels and has no reduction_override={reduction!r}; OHEMPixelSampler '
            "without thresh asks for 'none' to rank pixels: give it a thresh, or use OHEMFractionSampler "
            '(plugins.mining.ohem_fraction_sampler), which ranks by the probability of the true class'
        )


def _check_shapes(logits: Tensor, target: Tensor, weight: Optional[Tensor]) -> None:
    if logits.dim() != 4:
        raise ValueError(f'logits of shape {tuple(logits.shape)}: expected (N, C, H, W)')
    pixels = (logits.shape[0], *logits.shape[2:])
    if tuple(target.shape) != pixels:
        raise ValueError(
            f'target of shape {tuple(target.shape)} for logits of shape {tuple(logits.shape)}: '
            f'expected (N, H, W) = {pixels}'
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f'target of type {target.dtype}: labels are integers, use target.long()')
    if weight is not None and tuple(weight.shape) != pixels:
        raise ValueError(
            f'weight of shape {tuple(weight.shape)}: expected one weight per pixel, (N, H, W) = {pixels}; '
            'class weights go to alpha or class_weight'
        )


def _check_labels(labels: Tensor, num_classes: int, ignore_index: Optional[int]) -> None:
    if labels.numel() == 0:
        return
    low, high = (int(value) for value in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f'label {low if low < 0 else high} in the target, but the logits have classes '
            f'0..{num_classes - 1} and ignore_index={ignore_index}: '
            'check num_classes, reduce_zero_label and the annotation files'
        )
