"""Replace methods of single objects temporarily."""

from collections.abc import Callable

_ABSENT = object()


class ReplacedMethods:
    """Replace methods of instances, and restore the original methods.

    The replacement is an attribute of the object and not of its class. Modules keep their names in a ``state_dict``.
    """

    def __init__(self) -> None:
        self._before: list[tuple[object, str, object]] = []

    def __len__(self) -> int:
        """The number of replaced methods."""
        return len(self._before)

    def replace(self, owner: object, name: str, method: Callable) -> None:
        """Replace the method ``name`` of ``owner`` by ``method``."""
        self._before.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, method)

    def restore(self) -> None:
        """Undo all replacements, in reverse order."""
        while self._before:
            owner, name, before = self._before.pop()
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
