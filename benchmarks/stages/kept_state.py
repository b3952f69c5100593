"""Refuses a stage in which a part of the config changes the state of its process, and leaves it so.

A stage has a process of its own, so no other stage sees the change. But what the stage computes from then on is not
what its config says: a loss that sets torch's default dtype changes the precision of all that comes after it.

What is not looked at has honest users: the number of threads is also set by compiled loops that share torch's OpenMP;
random numbers are drawn from Python's and numpy's generators, and mmseg seeds that of numpy.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from mmengine.runner import Runner

from benchmarks.errors import some_of
from benchmarks.stages.process_state import ChangedState, changes

NAMED = 4  # of what has changed, so that a reason keeps its end, the cure
# After these calls of hooks, and before the first step, all is as the config sets it up. A validation that a hook runs
# later sets nothing up.
FIRST_STEP_NEXT = ('before_train', 'before_test')
SET_UP = ('before_run', *FIRST_STEP_NEXT)


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


# By its name for people. No honest part of a config changes these for a whole run; they must be as before its imports.
ALWAYS: Mapping[str, Callable[[], Any]] = {
    'the current folder': _folder,
    "torch's default dtype": torch.get_default_dtype,
    "torch's default device": torch.get_default_device,
    'whether torch records gradients': torch.is_grad_enabled,
}
# These may be set for a whole run: by env_cfg, randomness or a hook. They must be as they were before the first step.
FROM_THE_FIRST_STEP: Mapping[str, Callable[[], Any]] = {
    "the seed of torch's generator": torch.initial_seed,
    'the precision of float32 products': _or_mixed(torch.get_float32_matmul_precision),
    'TF32 in cuDNN': _or_mixed(lambda: torch.backends.cudnn.allow_tf32),
    'whether cuDNN is used': lambda: torch.backends.cudnn.enabled,
    'whether cuDNN tries kernels out': lambda: torch.backends.cudnn.benchmark,
    'whether cuDNN is deterministic': lambda: torch.backends.cudnn.deterministic,
    'whether torch is deterministic': torch.are_deterministic_algorithms_enabled,
}


@contextmanager
def state_kept() -> Iterator[None]:
    """Run a block that imports a config's plugins and runs a stage, and refuse what it leaves changed.

    A block without a runner of mmengine sets nothing up; there :data:`ALWAYS` alone counts.

    Raises:
        ChangedState: The block has ended well, but the state of this process differs. It names what, and the cure.
    """
    before, set_up = _values(ALWAYS), dict[str, Any]()
    call_hook, begun = Runner.call_hook, False

    def call_and_note(runner: Runner, fn_name: str, **arguments: Any) -> None:
        nonlocal begun
        call_hook(runner, fn_name, **arguments)
        if fn_name in SET_UP and not begun:
            set_up.update(_values(FROM_THE_FIRST_STEP))
            begun = fn_name in FIRST_STEP_NEXT

    with mock.patch.object(Runner, 'call_hook', call_and_note):
        yield
    changed, later = changes(before, _values(ALWAYS)), changes(set_up, _values(FROM_THE_FIRST_STEP))
    if changed or later:
        or_earlier = ', or before the first step (env_cfg, randomness, before_run of a hook)' if later else ''
        raise ChangedState(
            f'a part of the config has changed {some_of([*changed, *later], NAMED)}, and left it so: '
            f'change it inside a with block that puts it back{or_earlier}'
        )


def _values(readers: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    return {name: read() for name, read in readers.items()}
