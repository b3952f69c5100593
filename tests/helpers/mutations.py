"""Mutations of inputs for fuzzing: damaged bytes, and damaged trees of plain values."""

import copy
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

PNG = b'\x89PNG\r\n\x1a\n'
VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    255,
    2**31,
    2**70,
    0.5,
    float('nan'),
    float('inf'),
    '',
    'x',
    '../x',
    '<b>&',
    [],
    {},
)


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bytes of which a few bits, bytes or stretches are changed, lost or added; half of PNGs keep sound checksums.

    The beginning, where formats have their headers, is hit more often than the rest.
    """
    changed = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        if not changed:
            changed += rng.randbytes(1)
        at = rng.randrange(min(len(changed), rng.choice((60, len(changed)))))
        _BYTE_CHANGES[rng.randrange(len(_BYTE_CHANGES))](changed, at, rng)
    return _with_checksums(bytes(changed)) if changed.startswith(PNG) and rng.random() < 0.5 else bytes(changed)


def _flip_bit(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] ^= 1 << rng.randrange(8)


def _set_byte(data: bytearray, at: int, rng: random.Random) -> None:
    data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _cut_off(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at:]


def _lose(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at : at + rng.randrange(1, 9)]


def _add(data: bytearray, at: int, rng: random.Random) -> None:
    data[at:at] = rng.randbytes(rng.randrange(1, 9))


def _copy(data: bytearray, at: int, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[at : at + 4] = data[start : start + 4]


_BYTE_CHANGES: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    _flip_bit,
    _set_byte,
    _cut_off,
    _lose,
    _add,
    _copy,
)


def _with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have sound checksums, as far as its chunks can be told apart."""
    sound, at = bytearray(PNG), len(PNG)
    while at + 12 <= len(data):
        (size,) = struct.unpack('>I', data[at : at + 4])
        if at + 12 + size > len(data):
            break
        body = data[at + 4 : at + 8 + size]
        sound += data[at : at + 4] + body + struct.pack('>I', zlib.crc32(body))
        at += 12 + size
    return bytes(sound + data[at:])


def mutated_tree(tree: Any, rng: random.Random, keys: tuple[str, ...] = ()) -> Any:
    """A copy of a tree of dicts, lists and plain values in which up to three places are changed.

    A place gets another value, that of another place, or goes; a dict gets one of ``keys``, or loses the name of a key.
    """
    changed = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holders = list(_holders(changed))
        if not holders:
            return rng.choice(VALUES)
        holder = rng.choice(holders)
        place = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        other = rng.choice(holders)
        borrowed = copy.deepcopy(rng.choice([*VALUES, other, *(other.values() if isinstance(other, dict) else other)]))
        action = rng.randrange(4)
        if action == 0:
            del holder[place]
        elif action == 1 and isinstance(holder, dict):
            holder[rng.choice((*keys, f'{place}_', 'type'))] = holder.pop(place)
        elif action == 2 and isinstance(holder, dict) and keys:
            holder[rng.choice(keys)] = borrowed
        else:
            holder[place] = borrowed
    return changed


def _holders(node: Any):
    """Every dict and list of a tree that holds something."""
    if isinstance(node, (dict, list)) and node:
        yield node
        for value in node.values() if isinstance(node, dict) else node:
            yield from _holders(value)
