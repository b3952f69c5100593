"""Checkpoints that load without executing anything.

A pickle can run any code while it is read. Checkpoints in the store are therefore read by torch's ``weights_only``
loader, which builds tensors and plain values and refuses everything else.

mmengine's own loader falls back to a full pickle where that loader refuses a file. A stage gives mmengine the name
``stored:<path>`` instead of a path: importing this module registers a loader for such names, which never falls back.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner.checkpoint import get_torch_safe_globals

from benchmarks.stages.contracts import Checkpoint

STORED = 'stored:'
KEPT = ('state_dict', 'meta')


class UnsafeCheckpoint(ValueError):
    """A checkpoint holds something else than tensors and plain values."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a stored checkpoint onto the CPU.

    Raises:
        UnsafeCheckpoint: The file holds something else than tensors and plain values. Nothing of it has been executed.
    """
    try:
        return cast(Checkpoint, torch.load(path, map_location='cpu', weights_only=True))
    except pickle.UnpicklingError as error:
        named = re.search(r'GLOBAL ([\w.]+)', str(error))
        raise UnsafeCheckpoint(
            f'{path} holds {named[1] if named else "something"} besides tensors and plain values; it is not read, '
            'because that could execute code. If the harness has stored it, remove its folder and run again with '
            '--retry-failed'
        ) from error


def read_training_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint with a training's whole state, as mmseg's ``tools/train.py`` leaves it, onto the CPU.

    Besides plain values it may hold the few types in which mmengine keeps that state: its history of losses, and
    numpy's arrays and numbers. Nothing else is built.

    Raises:
        UnsafeCheckpoint: The file holds something else.
    """
    with torch.serialization.safe_globals(get_torch_safe_globals()):
        return read_checkpoint(path)


def stored(path: Path) -> str:
    """The name of a checkpoint file for a config's ``load_from``, by which mmengine loads it with this module."""
    return f'{STORED}{path}'


@CheckpointLoader.register_scheme(prefixes=STORED, force=True)
def load_from_store(filename: str, map_location: Any = None) -> Checkpoint:
    """mmengine's loader for the names of :func:`stored`; the weights go to the CPU, whatever ``map_location`` says.

    Raises:
        UnsafeCheckpoint: As :func:`read_checkpoint`.
    """
    return read_checkpoint(Path(filename.removeprefix(STORED)))


class KeepWeightsAlone(Hook):
    """Leaves in each checkpoint of a training the weights and a plain ``meta``, before mmengine writes it.

    A stage never resumes a training, so that optimiser, schedules and message hub are of no use to it. Without them the
    file can be kept as it is, and nobody has to read it with a pickle.
    """

    priority = 'LOWEST'  # other hooks put averaged weights into the checkpoint, or look at them, before it is cut

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remove all other entries."""
        for name in checkpoint.keys() - set(KEPT):
            del checkpoint[name]
        checkpoint['meta'] = plain(checkpoint.get('meta', {}))


def plain(value: Any) -> Any:
    """A copy in Python's own types, which every loader knows.

    Mappings become dicts, numpy's arrays lists, and numpy's numbers Python's. An object of any other type, such as a
    path, becomes its text.
    """
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        kind = tuple if isinstance(value, tuple) else set if isinstance(value, (set, frozenset)) else list
        return kind(plain(item) for item in value)
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return value if type(value) in (str, int, float, complex, bool, bytes, type(None), torch.Tensor) else str(value)
