"""Named texts of which most are shared: a plan of thousands of stages holds the shared ones once."""

from collections.abc import Iterator, Mapping


class Layered(Mapping[str, str]):
    """The texts of two mappings; it is equal to a dict of both.

    Args:
        shared: Those that others have, too.
        own: Those that come behind them, or in the place of some.
    """

    __slots__ = ('_own', '_shared')

    def __init__(self, shared: Mapping[str, str], own: Mapping[str, str]) -> None:
        self._shared, self._own = shared, own

    def __getitem__(self, name: str) -> str:
        return self._own[name] if name in self._own else self._shared[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._shared
        yield from (name for name in self._own if name not in self._shared)

    def __len__(self) -> int:
        return len(self._shared.keys() | self._own.keys())
