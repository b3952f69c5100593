"""Named texts of which most are shared: a plan of thousands of stages holds the shared ones once."""

import sys
from collections.abc import Iterator, Mapping


class Layered(Mapping[str, str]):
    """The texts of two mappings; it is equal to a dict of both.

    Args:
        shared: Those that others have, too.
        own: Those that come behind them, or in the place of some.
    """

    __slots__ = ('_own', '_shared')

    def __init__(self, shared: Mapping[str, str], own: Mapping[str, str]) -> None:
        self._shared = shared
        # Names and texts in turn: a dict of one or two takes three times the memory. Many stages have the same ones.
        self._own = tuple(sys.intern(text) for named in own.items() for text in named)

    def __getitem__(self, name: str) -> str:
        names = self._own[::2]
        return self._own[2 * names.index(name) + 1] if name in names else self._shared[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._shared
        yield from (name for name in self._own[::2] if name not in self._shared)

    def __len__(self) -> int:
        return len(self._shared.keys() | set(self._own[::2]))
