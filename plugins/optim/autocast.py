"""Autocast: the low-precision dtype of a device, and a check that a model really ran in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

DTYPES = ('float16', 'bfloat16')


def autocast_dtype(device_type: str, dtype: str | None = None) -> torch.dtype:
    """The dtype of autocast on a device.

    Args:
        device_type: ``'cpu'``, ``'cuda'`` or another type.
        dtype: ``'float16'``, ``'bfloat16'`` or None, which means bfloat16 on a CPU and float16 on other devices.

    Returns:
        The torch dtype.

    Raises:
        ValueError: ``dtype`` is unknown, or it is float16 on a CPU.
    """
    if dtype is None:
        dtype = 'bfloat16' if device_type == 'cpu' else 'float16'
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r} is no low precision; give 'float16', 'bfloat16' or None (by device)")
    if device_type == 'cpu' and dtype == 'float16':
        raise ValueError("dtype='float16' is for GPUs; on the CPU give 'bfloat16' or None (by device)")
    return getattr(torch, dtype)


class Autocast:
    """Run a model under autocast, and check inside its forward pass whether autocast was on.

    Args:
        model: The segmentor. The check is a hook on its backbone, or on its first part if it has no backbone.
        dtype: As in :func:`autocast_dtype`.

    Attributes:
        times: The number of contexts in which the backbone ran with autocast on for the device of its input.
    """

    def __init__(self, model: nn.Module, dtype: str | None = None) -> None:
        self.device_type = next(model.parameters()).device.type
        self.dtype = autocast_dtype(self.device_type, dtype)
        self.times = 0
        self._seen = False
        self._handle = _watched(model).register_forward_pre_hook(self._look)

    def _look(self, module: nn.Module, inputs: tuple) -> None:
        # Only writes a flag: under torch.compile, a counter would cause a recompilation in each step.
        kind = inputs[0].device.type
        self._seen = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == self.dtype

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run the code inside the context under autocast."""
        self._seen = False
        with torch.autocast(self.device_type, dtype=self.dtype):
            yield
        self.times += self._seen

    def remove(self) -> None:
        """Remove the hook from the backbone."""
        self._handle.remove()


def _watched(model: nn.Module) -> nn.Module:
    backbone = next((module.backbone for module in model.modules() if hasattr(module, 'backbone')), None)
    if backbone is not None:
        return backbone  # type: ignore[return-value]
    parts = [part for name, part in model.named_children() if name != 'data_preprocessor']
    return parts[0] if parts else model
