"""Testing with batch norms folded into the convolutions before them, in channels_last memory format."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from plugins.hooks.folded_layers import Pair, folded, is_plain_convolution, pairs_in
from plugins.hooks.replaced_methods import ReplacedMethods
from plugins.hooks.segmentor_parts import segmentors

# Largest accepted difference, as a share of the largest logit. A folded layer differs by the rounding of its weights
# (relative 6e-8), which the layers of a U-Net or a ResNet-50 amplify to about 1e-6. A wrong fold changes the logits by
# as much as their own size.
TOLERANCE = 1e-4


@HOOKS.register_module()
class FoldedInferenceHook(Hook):
    """Fold batch norms into convolutions for the test of each segmentor; images and weights in channels_last.

    The hook observes the computation for the first image to find the convolution before each batch norm
    (:func:`plugins.hooks.folded_layers.pairs_in`). A batch norm without such a proof is not folded. Then the hook
    compares the logits of that image with and without folding, both in float32. A network without foldable layers is
    tested unchanged.

    The hook works together with autocast, with torch.compile, and with hooks that replace ``runner.model`` by views or
    by an ensemble. Layers are replaced by copies, and only inside ``encode_decode``: parameters, checkpoints and a
    later training are not affected. The copies are made from the tested weights, also from averaged weights, and take
    the same memory again.

    Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
    CVPR 2018.

    Attributes:
        acted: The number of forward passes with folded layers, one for each view, window and member of an ensemble;
            None if nothing was tested.
    """

    priority = 'VERY_LOW'  # after the hooks that replace the model or its encode_decode

    def __init__(self) -> None:
        self._networks: list[_Folded] = []

    @property
    def acted(self) -> int | None:
        """The number of forward passes with folded layers; None if nothing was tested."""
        return sum(network.times for network in self._networks) if self._networks else None

    def before_test(self, runner: Runner) -> None:
        """Prepare the segmentors that are about to be tested; they are folded on the first image."""
        self._restore()
        self._networks += [_Folded(segmentor) for segmentor in segmentors(runner.model)]

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Restore the segmentors before the ``after_test`` of other hooks: hooks restore in reverse order."""
        self._restore()

    def after_test(self, runner: Runner) -> None:
        """Restore the segmentors, for test loops that have no epoch."""
        self._restore()

    def _restore(self) -> None:
        for network in self._networks:
            network.remove()


class _Folded:
    """Replaces the ``encode_decode`` of a segmentor by one with folded layers.

    Attributes:
        times: The number of calls with folded layers.
    """

    def __init__(self, segmentor: nn.Module) -> None:
        self.times = 0
        self._segmentor, self._encode_decode = segmentor, segmentor.encode_decode
        self._forwards: dict[nn.Module, Callable] | None = None
        self._method = ReplacedMethods()
        self._method.replace(segmentor, 'encode_decode', self)

    def __call__(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        if self._forwards is None:
            self._forwards = _checked_forwards(self._segmentor, inputs, batch_img_metas)
        if not self._forwards:
            return self._encode_decode(inputs, batch_img_metas)  # type: ignore[operator]
        with _replaced(self._forwards):
            logits = self._encode_decode(_channels_last(inputs), batch_img_metas)  # type: ignore[operator]
        self.times += 1
        return logits.contiguous()

    def remove(self) -> None:
        """Restore the method of the segmentor, and free the copies of its weights."""
        # After an interrupted test, another hook may have restored its method already.
        if vars(self._segmentor).get('encode_decode') is self:
            self._method.restore()
        self._forwards = None


def _checked_forwards(segmentor: nn.Module, inputs: Tensor, metas: list[dict]) -> dict[nn.Module, Callable]:
    """The replacement of each layer's ``forward``, checked on one batch; empty if no batch norm can be folded.

    Raises:
        RuntimeError: Folding changes the logits by more than rounding.
    """

    # The method of the class: wrappers around the instance's method take no part in the comparison.
    def run(images: Tensor) -> Tensor:
        return type(segmentor).encode_decode(segmentor, images, copy.deepcopy(metas))  # type: ignore[attr-defined]

    with torch.compiler.set_stance('force_eager'), _in_float32(inputs.device.type):
        pairs, plain = pairs_in(segmentor, lambda: run(inputs))
        if not pairs:
            return {}
        forwards = _forwards(segmentor, pairs)
        with _replaced(forwards):
            ours = run(_channels_last(inputs))
    _refuse_other_logits(plain, ours, len(pairs))
    return forwards


def _forwards(segmentor: nn.Module, pairs: list[Pair]) -> dict[nn.Module, Callable]:
    pair_of = {pair.conv: pair for pair in pairs}
    forwards: dict[nn.Module, Callable] = {pair.norm: _unchanged for pair in pairs}
    for conv in filter(is_plain_convolution, segmentor.modules()):
        own = folded(pair_of[conv]) if conv in pair_of else copy.deepcopy(conv)
        if own.kernel_size == (1, 1) and own.weight.device.type == 'cpu':
            # Dilation does not change a 1×1 kernel. On one thread, torch has a fast path for dilated kernels only.
            own.dilation = (2, 2)  # type: ignore[assignment]
        forwards[conv] = own.to(memory_format=torch.channels_last).forward  # type: ignore[call-overload]
    return forwards


def _unchanged(x: Tensor) -> Tensor:
    return x


def _refuse_other_logits(plain: Tensor, ours: Tensor, number: int) -> None:
    difference, largest = (plain - ours).abs().max().item(), plain.abs().max().item()
    if difference > TOLERANCE * largest:  # False for NaN: a diverged training is reported elsewhere
        raise RuntimeError(
            f'With {number} batch norms folded into the convolutions before them, logits of the first '
            f'image differ by {difference:.3g} where the largest is {largest:.3g}; {TOLERANCE:g} of it '
            'would be rounding. Does the network compute something else each time, or batch norm by '
            'statistics near 0? Test it without FoldedInferenceHook.'
        )


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


@contextmanager
def _replaced(forwards: dict[nn.Module, Callable]) -> Iterator[None]:
    methods = ReplacedMethods()
    for module, forward in forwards.items():
        methods.replace(module, 'forward', forward)
    try:
        yield
    finally:
        methods.restore()


@contextmanager
def _in_float32(device_type: str) -> Iterator[None]:
    """Without autocast and without TF32 in convolutions, whose 10-bit mantissa would hide a wrong fold."""
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
