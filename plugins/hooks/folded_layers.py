"""Find the convolution before each batch norm by observing one run of a network, and fold the two into one layer.

A batch norm in evaluation mode is affine in each channel, ``y = g (x - m) / sqrt(v + eps) + b``. With the convolution
``x = W * u + c`` before it, both together are one convolution ``y = W' * u + c'`` with ``s = g / sqrt(v + eps)``,
``W' = s W`` and ``c' = s (c - m) + b`` (Jacob et al., Quantization and Training of Neural Networks for Efficient
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
    """A convolution and the batch norm that reads its output."""

    conv: nn.Module
    norm: nn.Module


def pairs_in(network: nn.Module, run: Callable[[], Result]) -> tuple[list[Pair], Result]:
    """The pairs of layers that can be folded so that only roundings change, as proved by one run of the network.

    A pair is folded if all of this holds in the run:

    * The convolution was called once. One operation read its weights, and the convolution returned the output of that
      operation unchanged.
    * Exactly one operation read the output of the convolution: the normalisation of this batch norm. The output is not
      part of the network's result.
    * The batch norm was called once, with the output of the convolution. One operation read its parameters and running
      statistics, and the batch norm returned the output of that operation unchanged.

    These layers therefore stay as they are: a shared layer; a normalisation that an activation separates from its
    convolution; a convolution whose output is used twice; weights that are standardised or normalised in the forward
    pass; a batch norm in training mode or without running statistics.

    Args:
        network: The network, in evaluation mode.
        run: Runs the network, eagerly and without autocast.

    Returns:
        The pairs, and the result of the run. The run takes no more memory than without observation.
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
    """A new convolution that computes the same as both layers of the pair, with its own weights."""
    return fuse_conv_bn_eval(pair.conv, pair.norm, transpose=isinstance(pair.conv, nn.ConvTranspose2d))  # type: ignore[arg-type, type-var]


def is_plain_convolution(module: nn.Module) -> bool:
    """Whether a module is a convolution whose ``forward`` is not replaced and whose weight is a stored parameter."""
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
    return is_plain_convolution(module) and (isinstance(module, nn.Conv2d) or module.groups == 1)  # type: ignore[return-value]


@dataclass
class _Seen:
    """The observations of one layer in the run.

    Args:
        operations: How many operations read its weights or statistics.
        calls: How often the layer was called.
        came_from: The layer that computed the input of the last call, if a layer did.
        returned_it: Whether the last call returned the output of the layer's operation unchanged.
        readers: One entry for each operation that read the output of the layer: the batch norm that the operation
            computed, or None for any other operation.
    """

    operations: int = 0
    calls: int = 0
    came_from: nn.Module | None = None
    returned_it: bool = False
    readers: Sequence[nn.Module | None] = ()


class _Flow(TorchDispatchMode):
    """Observes every operation of a run, and notes which operations read the output of which layer.

    It holds weak references to tensors only, so that they are freed as without observation.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.seen = {layer: _Seen() for layer in layers}
        # If two layers share this tensor, their numbers of calls and operations differ, and neither is folded.
        self._layer_of = {id(_key(layer)): layer for layer in layers}
        self._made_by = WeakTensorKeyDictionary()
        self._handles = [layer.register_forward_hook(self._called) for layer in layers]

    def remove(self) -> None:
        """Stop observing calls."""
        for handle in self._handles:
            handle.remove()

    def read(self, result: object) -> None:
        """Count the result of the run as read, because the caller reads it."""
        self._note_readers(_tensors(result), None)

    def pairs(self) -> list[Pair]:
        """The pairs that the run proves to be foldable."""
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
            # An operation that reads only some of the tensors, for example to standardise the weights, counts twice:
            # this rules the layer out.
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
    return layer.running_mean if isinstance(layer, _BatchNorm) else layer.weight  # type: ignore[return-value]


def _reads_all(layer: nn.Module, read: Sequence[Tensor]) -> bool:
    """Whether an operation with the inputs ``read`` reads all weights and statistics of the layer."""
    wanted = [layer.weight, layer.bias]
    if isinstance(layer, _BatchNorm):
        wanted += [layer.running_mean, layer.running_var]  # type: ignore[list-item]
    return all(any(tensor is one for one in read) for tensor in wanted if tensor is not None)


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
