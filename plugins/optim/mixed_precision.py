"""Train in mixed precision: forward passes in half precision, weights and their updates in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn
from torch.optim import Optimizer

from plugins.arguments import check_whole
from plugins.optim.autocast import Autocast, autocast_dtype


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(AmpOptimWrapper):
    """mmengine's AmpOptimWrapper that also runs on a CPU, and counts the forward passes in low precision.

    The forward pass runs under :func:`torch.autocast`. In float16, the loss is multiplied by a scale S before the
    backward pass, and the gradients are divided by S before clipping and the step. If a gradient overflows, the step is
    skipped and S is halved. In bfloat16, which has the exponents of float32, S = 1.

    A CPU without bfloat16 units (AMX, AVX512-bf16) trains several times *slower* in bfloat16, but needs less memory for
    activations.

    Micikevicius et al., Mixed Precision Training, ICLR 2018.

    Args:
        optimizer: The optimizer to wrap.
        dtype: ``'float16'``, ``'bfloat16'`` or None, which means bfloat16 on a CPU and float16 on other devices.
        loss_scale: ``'dynamic'``, or the initial S, a number; S is adapted in both cases.
        accumulative_counts: Number of backward passes per step.
        clip_grad: Arguments of gradient clipping, as for mmengine's OptimWrapper.

    Attributes:
        acted: The number of forward passes in which autocast was on inside the model.

    Raises:
        ValueError: ``dtype`` does not suit the device, or ``loss_scale`` is neither 'dynamic' nor a positive number.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        dtype: str | None = None,
        loss_scale: str | float = 'dynamic',
        accumulative_counts: int = 1,
        clip_grad: dict | None = None,
    ) -> None:
        check_whole('accumulative_counts', accumulative_counts, least=1)
        # Not the constructor of AmpOptimWrapper, which requires a GPU.
        OptimWrapper.__init__(self, optimizer, accumulative_counts=accumulative_counts, clip_grad=clip_grad)
        self._dtype = dtype
        self.cast_dtype = autocast_dtype(optimizer.param_groups[0]['params'][0].device.type, dtype)
        self.loss_scaler = _scaler(loss_scale, enabled=self.cast_dtype == torch.float16)
        self._scale_update_param = None
        self._autocast: Autocast | None = None

    @property
    def acted(self) -> int:
        """The number of forward passes in which autocast was on inside the model."""
        return self._autocast.times if self._autocast else 0

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast, and synchronise gradients as OptimWrapper does."""
        if self._autocast is None:
            self._autocast = Autocast(model, self._dtype)
        with OptimWrapper.optim_context(self, model), self._autocast():
            yield


def _scaler(loss_scale: str | float, enabled: bool) -> torch.amp.GradScaler:
    if loss_scale == 'dynamic':
        return torch.amp.GradScaler('cuda', enabled=enabled)
    if isinstance(loss_scale, (int, float)) and not isinstance(loss_scale, bool) and 0 < loss_scale < inf:
        return torch.amp.GradScaler('cuda', init_scale=float(loss_scale), enabled=enabled)
    raise ValueError(f"loss_scale={loss_scale!r}: give 'dynamic' or a positive number")
