"""Do the initial weights that a config names fit its network? mmengine loads what fits, and leaves the rest random.

The network is built and initialised as a training does it, while each load of a state dict is watched. Files are read
by torch's ``weights_only`` loader. Weights that do not lie on this machine yet are left out.
"""

import contextlib
import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from mmengine.config import ConfigDict
from mmengine.runner import CheckpointLoader, checkpoint
from mmseg.registry import MODELS
from torch import nn

from benchmarks.errors import BadInput, some_of
from benchmarks.plan.keys import with_weights_by_content
from benchmarks.preflight.builds import BuiltOnce
from benchmarks.preflight.initial_weights import file_of, weights_named
from benchmarks.stages.checkpoints import UnsafeCheckpoint, read_training_checkpoint

SHOWN = 4
COUNTERS = 'num_batches_tracked'  # of batch norm; mmengine does not miss them either


@dataclass
class Fit:
    """How the weights of one config fit.

    Args:
        mistakes: Why weights cannot be used at all.
        notes: Parameters that stay random beside others that are loaded.
    """

    mistakes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_weights_fit(config: dict, built: BuiltOnce) -> list[str]:
    """Refuse initial weights of which nothing fits the network.

    Args:
        config: The resolved config of one training.
        built: Remembers what has been looked at.

    Returns:
        A note for each file that leaves parameters of the network random.

    Raises:
        BadInput: A file holds no weights, or none of this network; names the key, the file and entries of both.
    """
    named = {key: config.get(key) for key in ('model', 'load_from')}
    if not any(file_of(name) for _, name in weights_named(named)):
        return []
    fit = built('weights', with_weights_by_content(named), lambda _: _fit(copy.deepcopy(named)))
    if fit.mistakes:
        raise BadInput(*fit.mistakes)
    return fit.notes


def _fit(named: dict) -> Fit:
    places = {name: place for place, name in reversed(list(weights_named(named)))}
    watch = _Watch(places)
    with warnings.catch_warnings(), watch.watching():
        warnings.simplefilter('ignore')
        model = MODELS.build(ConfigDict(named['model']))
        with watch.noted():
            model.init_weights()
        if named['load_from'] and file_of(named['load_from']):
            with watch.noted():
                checkpoint.load_checkpoint(model, named['load_from'], map_location='cpu')
    return watch.fit


class _Elsewhere(Exception):
    """Weights that do not lie on this machine."""


class _Watch:
    """Watches the loads of files and state dicts.

    Args:
        places: The config's key of each file that it names.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places, self.fit = places, Fit()
        self._now: str | None = None  # the file that was read last

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Read files safely, and compare each state dict with the module that it goes to."""
        load_into, load_of_module = checkpoint.load_state_dict, nn.Module.load_state_dict

        def watched(module: nn.Module, state: Mapping, *args: Any, **options: Any) -> Any:
            with self._compared(module, state):
                return load_into(module, state, *args, **options)

        def watched_of_module(module: nn.Module, state: Mapping, *args: Any, **options: Any) -> Any:
            with self._compared(module, state):
                return load_of_module(module, state, *args, **options)

        with (
            mock.patch.object(CheckpointLoader, 'load_checkpoint', self._read),
            mock.patch.object(checkpoint, 'load_state_dict', watched),
            mock.patch.object(checkpoint, 'print_log', lambda *_, **__: None),  # it lists every missing entry
            mock.patch.object(nn.Module, 'load_state_dict', watched_of_module),
        ):
            yield

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note that the file that was read last cannot be loaded; an error without a file shows in the trial."""
        self._now = None
        try:
            yield
        except _Elsewhere:
            pass
        except Exception as error:
            if self._now in self.places:
                reason = str(error).strip() or type(error).__name__
                self.fit.mistakes.append(f'{self._named()}, which cannot be loaded: {reason}. {self._cure()}')

    def _read(self, filename: str, map_location: Any = None, logger: Any = 'current') -> Any:
        self._now, path = filename, file_of(filename)
        if path is None:
            raise _Elsewhere
        try:
            return read_training_checkpoint(path)
        except UnsafeCheckpoint as error:
            if 'GLOBAL' in str(error.__cause__):  # a file of other types, which mmengine reads all the same
                raise _Elsewhere from error
            raise ValueError('the file is no checkpoint that torch can read') from error

    @contextlib.contextmanager
    def _compared(self, module: nn.Module, state: Mapping) -> Iterator[None]:
        before = {name: value.clone() for name, value in module.state_dict().items() if COUNTERS not in name}
        yield
        if self._now not in self.places or not before:
            return
        after = module.state_dict()
        left = [name for name in before if not _fits(state.get(name), before[name])]
        left = [name for name in left if torch.equal(before[name], after[name])]  # else a module has renamed it
        if len(left) == len(before):
            self.fit.mistakes.append(
                f'{self._named()}, of which no entry fits the network: the file holds {_some(list(state))}, and '
                f'the network {_some(list(before))}. {self._cure()}'
            )
        elif left:
            shapes = [f'{name} {_shape(state[name])} for {_shape(before[name])}' for name in left if name in state]
            absent = [name for name in left if name not in state]
            what = [f'of another shape: {_some(shapes)}'] * bool(shapes) + [f'absent: {_some(absent)}'] * bool(absent)
            self.fit.notes.append(
                f'{self._named()}, which leave {len(left)} of {len(before)} entries of the network random '
                f'({"; ".join(what)})'
            )

    def _named(self) -> str:
        assert self._now is not None
        return f"'{self.places[self._now]}' names the weights {self._now}"

    def _cure(self) -> str:
        assert self._now is not None
        place = self.places[self._now].removesuffix('.checkpoint')
        return f'Name weights of this network, or train from random ones: --cfg-options {place}=None'


def _fits(value: Any, wanted: torch.Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == wanted.shape


def _shape(value: Any) -> str:
    return '×'.join(map(str, value.shape)) or 'a number' if isinstance(value, torch.Tensor) else type(value).__name__


def _some(names: list[str]) -> str:
    return some_of(names, SHOWN) or 'none'
