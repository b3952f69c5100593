"""Values at dotted paths of a config, as ``--cfg-options`` writes them: a number picks an element of a list."""

from collections.abc import Mapping, Sequence
from typing import Any

Changes = dict[str, Any]  # from dotted paths to values


def value_at(node: Any, path: str) -> Any:
    """The value at a dotted path of a config; None if there is none."""
    for step in path.split('.') if path else ():
        try:
            node = node[int(step)] if isinstance(node, (list, tuple)) else node[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return node


def with_changes(config: Mapping[str, Any], changes: Changes) -> dict:
    """``config`` with the values at some dotted paths replaced; a number picks an element of a list."""
    for path, value in changes.items():
        config = _replaced(config, path.split('.'), value)
    return dict(config)


def _replaced(node: Any, steps: Sequence[str], value: Any) -> Any:
    if not steps:
        return value
    if isinstance(node, (list, tuple)):
        place = int(steps[0])
        return [*node[:place], _replaced(node[place], steps[1:], value), *node[place + 1 :]]
    return {**(node or {}), steps[0]: _replaced((node or {}).get(steps[0]), steps[1:], value)}
