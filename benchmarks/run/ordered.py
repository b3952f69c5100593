"""Keys in an order of their own, of which only the first few are looked at."""

import heapq
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar('Key', bound=Hashable)
Group = TypeVar('Group', bound=Hashable)


class Ordered(Generic[Key]):
    """A heap from which any key can be removed: such a key leaves the heap when it comes to its top."""

    def __init__(self) -> None:
        self._order: dict[Key, tuple] = {}
        self._heap: list[tuple[tuple, Key]] = []

    def add(self, key: Key, order: tuple) -> None:
        """Add a key, or give it another place."""
        self._order[key] = order
        heapq.heappush(self._heap, (order, key))

    def remove(self, key: Key) -> None:
        """Remove a key, if it is here."""
        self._order.pop(key, None)

    def first(self, number: int) -> list[Key]:
        """The first keys, at most ``number``."""
        return self.first_groups(number, lambda key: key)

    def first_groups(self, number: int, group: Callable[[Key], Group]) -> list[Group]:
        """The first groups, at most ``number``, each at the place of the first of its keys.

        Args:
            number: The most groups.
            group: From a key to its group.
        """
        top: dict[Key, tuple] = {}
        groups: dict[Group, None] = {}
        while self._heap and len(groups) < number:
            order, key = heapq.heappop(self._heap)
            if self._order.get(key) == order:
                top[key] = order
                groups[group(key)] = None
        for key, order in top.items():
            heapq.heappush(self._heap, (order, key))
        return list(groups)
