"""Which part of a config is to blame for an exception: the innermost object of the traceback that the config names."""

import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from benchmarks.preflight.cures import cure_for
from benchmarks.stacks.technique import Technique

MESSAGE_LENGTH = 300
# They only call other parts.
CALLERS = frozenset(('EncoderDecoder', 'PackSegInputs', 'PairedDataset', 'IterBasedTrainLoop', 'EpochBasedTrainLoop'))


@dataclass(frozen=True)
class Part:
    """A typed dict of a config.

    Args:
        path: Its dotted place.
        kind: Its type.
    """

    path: str
    kind: str

    def __str__(self) -> str:
        return f"'{self.path}' ({self.kind})"


def describe(error: BaseException, config: Mapping, techniques: list[Technique]) -> str:
    """The failure in words: the part, the technique that put it there, the error, and the cure if it is known.

    Args:
        error: The exception.
        config: The resolved config that failed.
        techniques: The techniques of the stack.
    """
    part = culprit(error, config)
    message = ' '.join(str(error).split()) or type(error).__name__
    message = message if not isinstance(error, SystemExit) else f'it ends the process with exit status {message}'
    short = message if len(message) <= MESSAGE_LENGTH else f'{message[:MESSAGE_LENGTH]} …'
    owner = _owner(part, techniques) if part else None
    place = f'{part}' + (f" of technique '{owner}'" if owner else '') + ' fails: ' if part else ''
    cure = cure_for(message, config)
    if cure is None and part:
        cure = f"use '{owner}' on another baseline, or leave it out" if owner else f"correct '{part.path}'"
    return f'{place}{type(error).__name__}: {short}' + (f'; {cure}' if cure else '')


def culprit(error: BaseException, config: Mapping) -> Part | None:
    """The innermost part of ``config`` whose code was running when ``error`` was raised; None if there is none."""
    parts = list(_parts(config, ''))
    objects = _objects(error.__traceback__)
    for inner in reversed(objects):
        same = [part for part in parts if part.kind == type(inner).__name__ and part.kind not in CALLERS]
        if same:
            return next((part for part in same if _holds(objects, part, inner)), same[0])
    return None


def _holds(objects: list[Any], part: Part, inner: Any) -> bool:
    """Whether an object has ``inner`` as its attribute of the part's name: which of several parts of one type it is."""
    names = [name for name in part.path.split('.') if not name.isdigit()]
    held = [getattr(each, names[-1], None) for each in objects if each is not inner]
    return any(value is inner or (isinstance(value, Iterable) and any(one is inner for one in value)) for value in held)


def _objects(trace: TracebackType | None) -> list[Any]:
    """The objects whose methods a traceback runs through, outermost first."""
    return [frame.f_locals['self'] for frame, _ in traceback.walk_tb(trace) if 'self' in frame.f_locals]


def _parts(node: Any, path: str) -> Iterator[Part]:
    if isinstance(node, Mapping):
        if isinstance(node.get('type'), str):
            yield Part(path, node['type'])
        for key, value in node.items():
            yield from _parts(value, f'{path}.{key}' if path else str(key))
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _parts(value, f'{path}.{number}')


def _owner(part: Part, techniques: list[Technique]) -> str | None:
    """The technique whose overlay has a part of this type; None for a part of the baseline."""
    for technique in techniques:
        if any(own.kind == part.kind for own in _parts(technique.overlay, '')):
            return technique.name
    return None
