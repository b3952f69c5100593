"""Methods of single objects that are replaced for a while."""

from collections.abc import Callable

_ABSENT = object()


class ReplacedMethods:
    """Replaces methods of instances, and puts back what was there.

    The replacement is an attribute of the object, not of its class; modules keep their names in a ``state_dict``.
    """

    def __init__(self) -> None:
        self._before: list[tuple[object, str, object]] = []

    def __len__(self) -> int:
        """How many are replaced."""
        return len(self._before)

    def replace(self, owner: object, name: str, method: Callable) -> None:
        """Call ``method`` in place of ``owner.name``."""
        self._before.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, method)

    def restore(self) -> None:
        """Undo all replacements, the last one first."""
        while self._before:
            owner, name, before = self._before.pop()
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
