"""The checked input of all losses: logits in full precision, labels, and the weight of each pixel."""

# N images, C classes, H×W pixels
from typing import NamedTuple, Optional, Sequence, Union

import torch
from torch import Tensor

from plugins.arguments import check_number


class LabelledPixels(NamedTuple):
    """The checked input of a loss.

    Attributes:
        logits: (N, C, H, W), float64 for float64 input, else float32; set to 0 at void pixels and at pixels of weight
            0.
        labels: (N, H, W) int64 in 0..C-1. Void pixels have the label 0 and are recognised by their weight 0.
        weight: Weight of each pixel (N, H, W), in the dtype of ``logits``; 0 at void pixels.
    """

    logits: Tensor
    labels: Tensor
    weight: Tensor


def labelled_pixels(
    logits: Tensor, target: Tensor, ignore_index: Optional[int], weight: Optional[Tensor] = None
) -> LabelledPixels:
    """Check a batch, convert it to full precision, and add a background channel to a single sigmoid channel.

    Sigmoid logits z of class 1 against class 0 (``out_channels=1`` of an mmseg head) become the softmax logits [0, z],
    because softmax([0, z]) = [1 - sigmoid(z), sigmoid(z)]. A softmax loss is then that of the two classes.

    Arguments and errors are those of :func:`labelled_maps`.
    """
    pixels = labelled_maps(logits, target, ignore_index, weight)
    if logits.shape[1] > 1:
        return pixels
    two = torch.cat([torch.zeros_like(pixels.logits), pixels.logits], 1)
    return LabelledPixels(two, pixels.labels, pixels.weight)


def labelled_maps(
    logits: Tensor, target: Tensor, ignore_index: Optional[int], weight: Optional[Tensor] = None
) -> LabelledPixels:
    """Check a batch and convert it to full precision, without changing the channels.

    Half precision is converted first, so that a loss is the same with and without autocast. Labels out of range are
    reported on the CPU. On a GPU the check would stall the stream, and in a compiled graph it would break the graph;
    there the later indexing refuses such labels.

    Args:
        logits: (N, C, H, W), floating point. C = 1 is a sigmoid map of class 1 against class 0.
        target: Integer labels (N, H, W).
        ignore_index: Label of void pixels; None if there are none.
        weight: Weight of each pixel (N, H, W). A pixel of weight 0 does not count, even if its logits are infinite.

    Returns:
        The checked batch.

    Raises:
        ValueError: Shapes do not fit, or a label is out of range.
        TypeError: ``target`` is not of an integer type.
    """
    _check_shapes(logits, target, weight)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    void = torch.zeros_like(target, dtype=torch.bool) if ignore_index is None else target == ignore_index
    labels = target.long().masked_fill(void, 0)
    if labels.device.type == 'cpu' and not torch.compiler.is_compiling():
        _check_labels(labels, max(logits.shape[1], 2), ignore_index)
    dead = void if weight is None else void | (weight == 0)
    if ignore_index is not None or weight is not None:
        # A weight of 0 does not suffice: after a half-precision overflow in the padding, 0 * inf would be NaN.
        logits = logits.masked_fill(dead.unsqueeze(1), 0)
    weight = torch.ones_like(labels, dtype=logits.dtype) if weight is None else weight.to(logits.dtype)
    return LabelledPixels(logits, labels, weight.masked_fill(void, 0))


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Whether each pixel has each class, bool (N, C, H, W); indexing refuses labels (N, H, W) out of range."""
    maps = torch.zeros((labels.shape[0], num_classes, *labels.shape[1:]), dtype=torch.bool, device=labels.device)
    return maps.scatter_(1, labels.unsqueeze(1), True)


def class_weights(values: Union[Sequence[float], Tensor, None], like: Tensor) -> Tensor:
    """The weight of each class, (C,), in the dtype and on the device of ``like`` (N, C, H, W); ones for None.

    Raises:
        ValueError: The number of weights is not C, or :func:`check_class_weights` refuses them. The values of a tensor
            are not checked, because reading them would stall a GPU.
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


def check_class_weights(values: Sequence[float], name: str = 'class weights') -> None:
    """Refuse weights that are negative or all 0.

    Args:
        values: One weight for each class.
        name: The argument's name, for the message.

    Raises:
        ValueError: There is no weight, a weight is negative or not finite, or all weights are 0.
    """
    for n, value in enumerate(values):
        check_number(f'{name}[{n}]', value)
    if not len(values) or min(values) < 0 or max(values) == 0:
        raise ValueError(f'{name} {list(values)}: they are non-negative and not all 0, one for each class')


def weighted_mean(values: Tensor, weight: Tensor, dim: Optional[int] = None) -> Tensor:
    """``sum(weight * values) / sum(weight)``, along ``dim`` or over all values.

    The result and its gradient are 0 if all weights are 0, as in a batch without valid pixels.
    """
    total = weight.sum(dim)
    return (weight * values).sum(dim) / torch.where(total > 0, total, torch.ones_like(total))


def reduced(values: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Reduce the losses of pixels by their weights.

    Args:
        values: Loss of each pixel (N, H, W).
        weight: Weight of each pixel (N, H, W), 0 at void pixels.
        reduction: 'mean' is :func:`weighted_mean`; 'sum' is sum(weight * values); 'none' is weight * values.

    Raises:
        ValueError: ``reduction`` is unknown.
    """
    if reduction == 'mean':
        return weighted_mean(values, weight)
    if reduction not in ('sum', 'none'):
        raise ValueError(f"reduction={reduction!r}: use 'mean', 'sum' or 'none'")
    weighted = weight * values
    return weighted.sum() if reduction == 'sum' else weighted


def refuse_per_pixel(reduction: Optional[str], loss: str) -> None:
    """Refuse a reduction per pixel, for a loss that is a ratio of sums.

    Args:
        reduction: The ``reduction_override`` that mmsegmentation passes.
        loss: Name of the loss, for the message.

    Raises:
        ValueError: ``reduction`` is neither None nor 'mean'.
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
