"""Test in mixed precision."""

from collections.abc import Callable

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from plugins.hooks.replaced_methods import ReplacedMethods
from plugins.hooks.segmentor_parts import segmentors
from plugins.optim.autocast import Autocast


@HOOKS.register_module()
class MixedPrecisionInferenceHook(Hook):
    """Run the network of each tested segmentor under autocast; its logits come back in float32.

    Only the network runs in low precision (``encode_decode``, which sliding inference calls for each window). Resizing
    to the original size, softmax and the merging of probabilities stay in float32. The hook also works if other hooks
    have replaced ``runner.model``, by views or by an ensemble.

    Micikevicius et al., Mixed Precision Training, ICLR 2018.

    Args:
        dtype: ``'float16'``, ``'bfloat16'`` or None, which means bfloat16 on a CPU and float16 on other devices. A CPU
            without bfloat16 units (AMX, AVX512-bf16) becomes several times *slower*.

    Attributes:
        acted: The number of forward passes in which autocast was on inside the network; None if nothing was tested.
    """

    priority = 'LOW'  # after the hooks that replace the model

    def __init__(self, dtype: str | None = None) -> None:
        self.dtype = dtype
        self._casts: list[Autocast] = []
        self._methods = ReplacedMethods()

    @property
    def acted(self) -> int | None:
        """The number of forward passes in which autocast was on inside the network; None if nothing was tested."""
        return sum(cast.times for cast in self._casts) if self._casts else None

    def before_test(self, runner: Runner) -> None:
        """Run the segmentors that are about to be tested under autocast."""
        self._restore()
        for segmentor in segmentors(runner.model):
            self._casts.append(Autocast(segmentor, self.dtype))
            self._methods.replace(segmentor, 'encode_decode', _cast(segmentor, self._casts[-1]))

    def after_test(self, runner: Runner) -> None:
        """Restore the segmentors."""
        self._restore()

    def _restore(self) -> None:
        for cast in self._casts:
            cast.remove()
        self._methods.restore()


def _cast(segmentor: nn.Module, cast: Autocast) -> Callable:
    encode_decode = segmentor.encode_decode

    def in_low_precision(inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        with cast():
            logits = encode_decode(inputs, batch_img_metas)  # type: ignore[operator]
        return logits.float()

    return in_low_precision
