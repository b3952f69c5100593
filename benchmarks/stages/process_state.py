"""The state of a process that code of one config may change for another one that shares the process.

Each stage has a process of its own, but for stages that share a pass. A view or a refinement that changes this state
would change the numbers of the others, so such a pass counts as failed, and each of its stages runs alone. So does a
pass in which something draws from a global generator, or seeds it: what it draws depends on what the others have drawn.
Trials of several configs share a process, too: each gets the state that the first one had.
"""

import os
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


class ChangedState(Exception):
    """A part of a config has changed the state of the process that it shares; the message names what."""


@dataclass(frozen=True, eq=False)
class _Folder:
    """A current folder, which stays the same one when somebody renames or deletes it."""

    path: str
    place: tuple[int, int] | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Folder) and (self.path == other.path or self.place == other.place is not None)

    def __str__(self) -> str:
        return self.path


def _folder() -> _Folder:
    try:
        path = os.getcwd()
    except OSError:
        path = 'one without a path'
    try:
        status = os.stat('.')
    except OSError:  # such as one that this user may not enter, or a network's that does not answer
        return _Folder(path, None)
    return _Folder(path, (status.st_dev, status.st_ino))


def _or_mixed(read: Callable[[], Any]) -> Callable[[], Any]:
    """A reader of an older setting of torch, which raises where the newer ``fp32_precision`` was set."""

    def value() -> Any:
        try:
            return read()
        except RuntimeError:
            return 'a value of fp32_precision'

    return value


# What reads each part of the state, by the name of the part for people.
Readers = Mapping[str, Callable[[], Any]]
PLACE_AND_DEFAULTS: Readers = {
    'the current folder': _folder,
    "torch's default dtype": torch.get_default_dtype,
    "torch's default device": torch.get_default_device,
    'whether torch records gradients': torch.is_grad_enabled,
}
PRECISION: Readers = {
    'the precision of float32 products': _or_mixed(torch.get_float32_matmul_precision),
    'TF32 in cuDNN': _or_mixed(lambda: torch.backends.cudnn.allow_tf32),
    'whether cuDNN is used': lambda: torch.backends.cudnn.enabled,
}
FLAGS: Readers = {
    'whether cuDNN tries kernels out': lambda: torch.backends.cudnn.benchmark,
    'whether cuDNN is deterministic': lambda: torch.backends.cudnn.deterministic,
    'whether torch is deterministic': torch.are_deterministic_algorithms_enabled,
}
OF_A_PASS: Readers = {**PLACE_AND_DEFAULTS, **PRECISION, "numpy's handling of errors": np.geterr}
OF_A_RUNNER: Readers = {**FLAGS, "the number of torch's threads": torch.get_num_threads}


def values(readers: Readers) -> dict[str, Any]:
    """What each reader returns now."""
    return {name: read() for name, read in readers.items()}


def process_state() -> dict[str, Any]:
    """What neither mmengine nor a stage changes while a stage runs, by its name for people."""
    return values(OF_A_PASS)


def runner_flags() -> dict[str, Any]:
    """What mmengine and hooks set as a config says before a run, and nothing changes from then on; by its name."""
    return values(OF_A_RUNNER)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs from an earlier state, and how, for people."""
    return [f'{name} from {before[name]} to {now[name]}' for name in before if before[name] != now[name]]


def refuse_changed_state(before: dict[str, Any], state: Callable[[], dict[str, Any]] = process_state) -> None:
    """Refuse a state that differs from an earlier one.

    Args:
        before: What ``state`` returned earlier.
        state: :func:`process_state` or :func:`runner_flags`.

    Raises:
        ChangedState: Names what has changed, and how.
    """
    changed = changes(before, state())
    if changed:
        raise ChangedState(f'a part of a config has changed {"; ".join(changed)}')


def generator_states() -> dict[str, Any]:
    """The states of the random generators that all code of a process shares, by whose they are."""
    states = {
        'Python': random.getstate(),
        'numpy': pickle.dumps(np.random.get_state()),
        'torch': torch.get_rng_state().numpy().tobytes(),
    }
    if torch.cuda.is_initialized():
        states['CUDA'] = torch.cuda.get_rng_state().numpy().tobytes()
    return states


def refuse_draws(before: dict[str, Any]) -> None:
    """Refuse that a global generator was drawn from, or seeded.

    Args:
        before: What :func:`generator_states` returned earlier.

    Raises:
        ChangedState: Names the generators.
    """
    now = generator_states()
    moved = [name for name in before if before[name] != now[name]]
    if moved:
        raise ChangedState(
            f'a network, a view or a refinement has drawn from the global random generator of {" and ".join(moved)}, '
            'or seeded it; what it draws would depend on the other stages of the pass'
        )


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
