"""Which batch norm follows which convolution, seen in what a network computes for an image; and the two as one layer.

A batch norm in evaluation mode is affine in each channel, ``y = g (x - m) / sqrt(v + eps) + b``; after a convolution
``x = W * u + c`` it is one convolution ``y = W' * u + c'`` with ``W' = s W``, ``c' = s (c - m) + b``,
``s = g / sqrt(v + eps)`` (Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018, section 3.2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
Result = TypeVar('Result')


class Pair(NamedTuple):
    """A convolution and the batch norm that reads what it returns."""

    conv: nn.Module
    norm: nn.Module


def pairs_in(network: nn.Module, run: Callable[[], Result]) -> tuple[list[Pair], Result]:
    """The pairs that can be folded without changing anything but roundings, as far as one run proves it.

    Of each, in this run: the convolution was called once, and returned what one operation made of its own weights; that
    tensor was read by one operation in all, which is no part of the result itself; the operation is the normalisation
    by the batch norm's own parameters and running statistics, which are read nowhere else; and the batch norm was
    called with that tensor and returned what the operation made of it. So a layer that is shared, a normalisation
    before an activation before a convolution, a convolution whose output is also used elsewhere, weights that are
    standardised or normalised on the fly, a batch norm in training mode or one that keeps no running statistics: all of
    them are left alone.

    Args:
        network: What holds the layers, in evaluation mode.
        run: Runs it, eagerly and without autocast.

    Returns:
        The pairs, and what the run gave. Memory is that of a run.
    """
    flow = _Flow([module for module in network.modules() if _can_be_folded(module)])
    try:
        with torch.no_grad(), flow:
            result = run()
            flow.read(result)
    finally:
        flow.remove()
    return flow.pairs(), result


def folded(pair: Pair) -> nn.Module:
    """A convolution that does what both do, with weights of its own."""
    return fuse_conv_bn_eval(pair.conv, pair.norm, transpose=isinstance(pair.conv, nn.ConvTranspose2d))


def is_plain_convolution(module: nn.Module) -> bool:
    """Whether its ``forward`` is its class's, and its weight a parameter that nothing computes from others."""
    return (
        isinstance(module, CONVOLUTIONS)
        and 'forward' not in vars(module)
        and isinstance(module._parameters.get('weight'), Tensor)
    )


def _can_be_folded(module: nn.Module) -> bool:
    if module.training:
        return False
    if isinstance(module, _BatchNorm):
        return 'forward' not in vars(module) and module.running_mean is not None
    # A transposed convolution with groups keeps its output channels in two axes of the weight.
    return is_plain_convolution(module) and (isinstance(module, nn.Conv2d) or module.groups == 1)


@dataclass
class _Seen:
    """What became of a layer in the run.

    Args:
        operations: How many operations read its weights or statistics.
        calls: How often it was called.
        came_from: Of a batch norm: the convolution that returned what it was called with.
        returned_it: Whether a call returned what one of the operations made, unchanged.
        readers: For each operation that read what the layer made, the batch norm that it computed, else None.
    """

    operations: int = 0
    calls: int = 0
    came_from: nn.Module | None = None
    returned_it: bool = False
    readers: Sequence[nn.Module | None] = ()


class _Flow(TorchDispatchMode):
    """Watches every operation: what reads the tensors that layers make. Holds none of them."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.seen = {layer: _Seen() for layer in layers}
        # Where two share that tensor, calls and operations disagree, and both are left alone.
        self._layer_of = {id(_key(layer)): layer for layer in layers}
        self._made_by = WeakTensorKeyDictionary()
        self._handles = [layer.register_forward_hook(self._called) for layer in layers]

    def remove(self) -> None:
        """Stop watching calls."""
        for handle in self._handles:
            handle.remove()

    def read(self, result: object) -> None:
        """A result is read by whoever gets it."""
        self._note_readers(_tensors(result), None)

    def pairs(self) -> list[Pair]:
        """What the run proves."""
        found = []
        for conv, seen in self.seen.items():
            norm = seen.readers[0] if len(seen.readers) == 1 else None
            if isinstance(conv, CONVOLUTIONS) and norm is not None:
                its = self.seen[norm]
                once = seen.calls == seen.operations == its.calls == its.operations == 1
                if once and seen.returned_it and its.returned_it and its.came_from is conv:
                    found.append(Pair(conv, norm))
        return found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        read = _tensors((args, kwargs))
        result = func(*args, **(kwargs or {}))
        layers = {self._layer_of[id(tensor)]: None for tensor in read if id(tensor) in self._layer_of}
        layer = next(iter(layers)) if len(layers) == 1 else None
        complete = layer is not None and _reads_all(layer, read)
        self._note_readers(read, layer if complete and isinstance(layer, _BatchNorm) else None)
        for layer in layers:
            # One that reads the weights for anything else (to standardise them, say) counts twice: it rules them out.
            self.seen[layer].operations += 1 if complete else 2
        if complete and _tensors(result):
            self._made_by[_tensors(result)[0]] = layer
        return result

    def _note_readers(self, read: Sequence[Tensor], norm: nn.Module | None) -> None:
        for tensor in read:
            layer = self._made_by.get(tensor)
            if layer is not None:
                self.seen[layer].readers = [*self.seen[layer].readers, norm]

    def _called(self, layer: nn.Module, inputs: tuple, output: object) -> None:
        seen = self.seen[layer]
        seen.calls += 1
        seen.returned_it = isinstance(output, Tensor) and self._made_by.get(output) is layer
        if len(inputs) == 1 and isinstance(inputs[0], Tensor):
            seen.came_from = self._made_by.get(inputs[0])


def _key(layer: nn.Module) -> Tensor:
    return layer.running_mean if isinstance(layer, _BatchNorm) else layer.weight


def _reads_all(layer: nn.Module, read: Sequence[Tensor]) -> bool:
    """Whether an operation reads the layer's own weights and statistics, all of them."""
    wanted = [layer.weight, layer.bias]
    if isinstance(layer, _BatchNorm):
        wanted += [layer.running_mean, layer.running_var]
    return all(any(tensor is one for one in read) for tensor in wanted if tensor is not None)


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
