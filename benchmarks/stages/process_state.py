"""The state of a process that code of one config may change for another one that shares the process.

Each stage has a process of its own, but for stages that share a pass. A view or a refinement that changes this state
would change the numbers of the others, so such a pass counts as failed, and each of its stages runs alone. Trials of
several configs share a process, too: each gets the state that the first one had.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


class ChangedState(Exception):
    """A part of a config has changed the state of the process that it shares; the message names what."""


def process_state() -> dict[str, Any]:
    """What neither mmengine nor a stage changes while a stage runs, by its name for people."""
    return {
        'the current folder': os.getcwd(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        'whether torch records gradients': torch.is_grad_enabled(),
        'the precision of float32 products': torch.get_float32_matmul_precision(),
        'TF32 in cuDNN': torch.backends.cudnn.allow_tf32,
        'whether cuDNN is used': torch.backends.cudnn.enabled,
        "numpy's handling of errors": np.geterr(),
    }


def refuse_changed_state(before: dict[str, Any]) -> None:
    """Refuse a state that differs from an earlier one.

    Raises:
        ChangedState: Names what has changed, and how.
    """
    now = process_state()
    changed = [f'{name} from {before[name]} to {now[name]}' for name in before if before[name] != now[name]]
    if changed:
        raise ChangedState(f'a part of a config has changed {"; ".join(changed)}')


@contextmanager
def state_restored() -> Iterator[None]:
    """Put the state of this process back behind the block, and the environment's variables, too."""
    folder, dtype, device = os.getcwd(), torch.get_default_dtype(), torch.get_default_device()
    gradients, precision = torch.is_grad_enabled(), torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    flags, errors = (cudnn.allow_tf32, cudnn.enabled, cudnn.benchmark, cudnn.deterministic), np.geterr()
    variables = dict(os.environ)
    try:
        yield
    finally:
        os.chdir(folder)
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        torch.set_grad_enabled(gradients)
        torch.set_float32_matmul_precision(precision)
        cudnn.allow_tf32, cudnn.enabled, cudnn.benchmark, cudnn.deterministic = flags
        np.seterr(**errors)
        if os.environ != variables:
            os.environ.clear()
            os.environ.update(variables)
