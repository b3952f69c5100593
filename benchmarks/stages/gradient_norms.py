"""The norm of the gradient in each step of a training, before it is clipped."""

import math
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor

from benchmarks.probes.loss_course import TENTHS

_UNREAD = 10  # norms that are kept on the device: reading one waits for the GPU


class GradientNorms(Hook):
    """Notes ``‖g‖₂`` over all parameters of the optimiser whenever it is about to step.

    Every step is measured: reading the gradients once takes a few tenths of a percent of a step's time. With
    accumulation a step is an update; with mixed precision the gradient is that without the loss scale, and steps that
    overflowed are left out, because they are no updates.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self._norms: list[float] = []
        self._unread: list[Tensor] = []
        self._handle: Any = None

    def before_train(self, runner: Runner) -> None:
        """Listen to the optimiser, unless there are several, or the whole step is compiled."""
        wrapper = runner.optim_wrapper
        if isinstance(wrapper, OptimWrapperDict) or runner.cfg.get('compile'):
            return

        def note(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
            self._unread.append(_norm_before_clipping(wrapper, optimizer))

        self._handle = wrapper.optimizer.register_step_pre_hook(note)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Read the norms every few steps."""
        if len(self._unread) >= _UNREAD:
            self._read()

    def after_train(self, runner: Runner) -> None:
        """Leave the optimiser."""
        if self._handle is not None:
            self._handle.remove()
        self._read()

    def _read(self) -> None:
        self._norms += [norm for norm in map(float, self._unread) if math.isfinite(norm)]
        self._unread = []

    @property
    def fact(self) -> dict[str, Any] | None:
        """What is recorded; None if no update was measured.

        ``updates`` is their number, ``median`` and ``largest`` are over all of them, ``first`` and ``last`` the medians
        of the first and the last tenth.
        """
        if not self._norms:
            return None
        tenth = math.ceil(len(self._norms) / TENTHS)
        return dict(
            updates=len(self._norms),
            median=float(np.median(self._norms)),
            largest=max(self._norms),
            first=float(np.median(self._norms[:tenth])),
            last=float(np.median(self._norms[-tenth:])),
        )


def _norm_before_clipping(wrapper: OptimWrapper, optimizer: torch.optim.Optimizer) -> Tensor:
    """The norm of the gradient; that which mmengine has measured where it clips the norm."""
    if wrapper.clip_grad_kwargs and wrapper.grad_name == 'grad_norm':
        return torch.tensor(wrapper.message_hub.get_scalar('train/grad_norm').current())
    gradients = [
        parameter.grad
        for group in optimizer.param_groups
        for parameter in group['params']
        if parameter.grad is not None
    ]
    norm = torch.nn.utils.get_total_norm(gradients)
    # A fused optimiser divides by the loss scale itself.
    scale = getattr(optimizer, 'grad_scale', None)
    return norm if scale is None else norm / scale
